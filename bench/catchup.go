package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

// The sides of the contest on catching up.
const (
	handCatchUpOne    = "catch-up, 1 processor: by hand"
	productCatchUpOne = "catch-up, 1 processor: Carillon"
	handCatchUpTwo    = "catch-up, 2 processors: by hand"
	productCatchUpTwo = "catch-up, 2 processors: Carillon"

	handCatchUpFast    = "catch-up, 1 processor, own codec: by hand"
	productCatchUpFast = "catch-up, 1 processor, own codec: Carillon"
)

// readModelRows is how many rows the read model has.
const readModelRows = 1000

// history is a log of orders, as everybody has it, and what they come to: so many rows with so much in total.
type history struct {
	events, rows int
	total        Customer
}

func historyOf(events int) history {
	h := history{events: events, rows: min(readModelRows, events)}
	for n := range events {
		h.total = h.total.Placed(orderFor(n, ""))
	}
	return h
}

// check compares the rows of a read model with what must come out.
func (h history) check(rows map[string]Customer) error {
	var total Customer
	for _, row := range rows {
		total.Orders += row.Orders
		total.Units += row.Units
		total.Pence += row.Pence
	}
	if total != h.total || len(rows) != h.rows {
		return fmt.Errorf("%d rows come to %+v, the log to %+v", len(rows), total, h.total)
	}
	return nil
}

// shuffled is the customer of the nth event: each of them a thousandth of the events, in no order.
func shuffled(n int) string { return customerKey(n * 7919 % readModelRows) }

// catchUp holds a keyed projection over a long log against a loop. Each has its own file of the same events.
func catchUp(ctx context.Context, w *workspace) (*contest, error) {
	w.say("  building two logs of %s events", grouped(w.events))
	h := historyOf(w.events)
	logs := &openLogs{}
	path := w.path("carillon.db")
	err := fillProduct(ctx, path, w.events, func(n int) (string, int64, carillon.Message) {
		customer := shuffled(n)
		return customerStream(customer), int64(n/readModelRows) + 1, carillon.Message{Key: customer, Payload: payloadFor(n, customer)}
	})
	if err != nil {
		return nil, err
	}
	size, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	p, err := logs.open(ctx, path)
	if err != nil {
		return nil, err
	}
	hand, err := openHandLog(w.path("hand.db"))
	if err != nil {
		return nil, errors.Join(err, logs.close())
	}
	closeAll := func() error { return errors.Join(logs.close(), hand.close()) }
	err = hand.fill(w.events, func(n int) (string, int64, []byte) {
		customer := shuffled(n)
		return customerStream(customer), int64(n/readModelRows) + 1, payloadFor(n, customer)
	})
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	byHand := func(c carillon.Codec) runFunc {
		return func(context.Context, time.Duration) (result, error) { return hand.catchUp(h, c) }
	}
	byProduct := func(c carillon.Codec) runFunc {
		return func(ctx context.Context, _ time.Duration) (result, error) { return p.catchUp(ctx, h, c) }
	}
	same, own := standardCodec{}, codec.JSON()
	const (
		handWhat    = "one SELECT, encoding/json, fold into a map, write it at the end in one transaction"
		handFast    = "one SELECT, the default codec, fold into a map, write it at the end in one transaction"
		productWhat = "a keyed projection run by an engine from position 0 until it has passed the head, encoding/json"
		productFast = "a keyed projection run by an engine from position 0 until it has passed the head, the default codec"
		against     = "scan + decode + fold in one loop, same codec"
	)
	return &contest{
		close: closeAll,
		sides: []side{
			{name: handCatchUpOne, unit: "events", what: handWhat, run: onProcessors(1, byHand(same))},
			{name: productCatchUpOne, unit: "events", what: productWhat, run: onProcessors(1, byProduct(same))},
			{name: handCatchUpTwo, unit: "events", what: handWhat, run: onProcessors(2, byHand(same))},
			{name: productCatchUpTwo, unit: "events", what: productWhat, run: onProcessors(2, byProduct(same))},
			{name: handCatchUpFast, unit: "events", what: handFast, run: onProcessors(1, byHand(own))},
			{name: productCatchUpFast, unit: "events", what: productFast, run: onProcessors(1, byProduct(own))},
		},
		claims: []claim{
			{
				work: fmt.Sprintf("catch-up of a projection over %s events, one processor", grouped(w.events)), against: against,
				floor: 0.85, value: ratio(productCatchUpOne, handCatchUpOne),
			},
			{
				work: "… with read-ahead on two processors", against: against + ", also on two",
				floor: 1.3, value: ratio(productCatchUpTwo, handCatchUpTwo),
			},
			{
				work: "… both with the default codec, one processor", against: against, value: ratio(productCatchUpFast, handCatchUpFast),
			},
			{
				work: "… with the default codec, one processor", against: "the same loop with encoding/json", value: ratio(productCatchUpFast, handCatchUpOne),
			},
			{
				work: fmt.Sprintf("log file of %s events", grouped(w.events)), against: "payload bytes",
				ceiling: 2.2, value: fixed(float64(size.Size()) / float64(w.events*payloadBytes)),
			},
		},
	}, nil
}

// customersModel is the read model that is brought up to date.
func customersModel() *projection.Model[Customer] {
	return projection.Keyed("customers", projection.On(orderPlaced, func(c Customer, e OrderPlaced) Customer { return c.Placed(e) }))
}

// catchUp folds the whole log into a read model that was empty.
func (p *product) catchUp(ctx context.Context, h history, c carillon.Codec) (result, error) {
	model := customersModel()
	ref := carillon.ModelRef{Name: model.Name()}
	if err := p.store.ReadModels().Update(ctx, ref, carillon.Flushed, carillon.ReadModelTx.Clear); err != nil {
		return result{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)

	watch := startWatch()
	engine := projection.NewEngine(p.fresh(), p.store, projection.WithCodec(c))
	if err := engine.Add(model); err != nil {
		return result{}, err
	}
	go func() { ended <- engine.Run(running) }()
	if err := engine.Wait(ctx, model.Name(), carillon.Position(h.events)); err != nil {
		return result{}, err
	}
	got := watch.stop(int64(h.events))

	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return result{}, err
	}
	return got, p.checkRows(ctx, model, h)
}

// checkRows compares the rows of a read model with what must come out.
func (p *product) checkRows(ctx context.Context, model *projection.Model[Customer], h history) error {
	rows := make(map[string]Customer)
	for entry, err := range projection.NewView(model, p.store.ReadModels(), codec.JSON()).All(ctx) {
		if err != nil {
			return err
		}
		rows[entry.Key] = entry.State
	}
	return h.check(rows)
}

// catchUp folds the whole log into a table that was empty.
func (l *handLog) catchUp(h history, c carillon.Codec) (result, error) {
	if err := l.conn.Exec("DELETE FROM customers; DELETE FROM checkpoints"); err != nil {
		return result{}, err
	}
	watch := startWatch()
	rows, last, err := l.fold(c)
	if err != nil {
		return result{}, err
	}
	if err := l.writeRows(rows, last); err != nil {
		return result{}, err
	}
	got := watch.stop(int64(h.events))

	stored, err := l.readRows()
	if err != nil {
		return result{}, err
	}
	return got, h.check(stored)
}

// fold scans the log and folds it into a map.
func (l *handLog) fold(c carillon.Codec) (rows map[string]Customer, last int64, err error) {
	scan, err := prepare(l.conn, "SELECT position, type, payload FROM events ORDER BY position")
	if err != nil {
		return nil, 0, err
	}
	defer scan.Close()
	rows = make(map[string]Customer)
	for scan.Step() {
		last = scan.ColumnInt64(0)
		if string(scan.ColumnRawText(1)) != orderPlaced {
			continue
		}
		var event OrderPlaced
		if err := c.Decode(scan.ColumnRawBlob(2), &event); err != nil {
			return nil, 0, err
		}
		rows[event.Customer] = rows[event.Customer].Placed(event)
	}
	return rows, last, scan.Err()
}

// writeRows writes the table and the checkpoint in one transaction.
func (l *handLog) writeRows(rows map[string]Customer, last int64) error {
	upsert, err := prepare(l.conn, "INSERT INTO customers VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
	if err != nil {
		return err
	}
	defer upsert.Close()
	if err := l.begin.Exec(); err != nil {
		return err
	}
	for key, row := range rows {
		value, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if err := first(upsert.BindText(1, key), upsert.BindBlob(2, value), upsert.Exec()); err != nil {
			return errors.Join(err, l.rollback.Exec())
		}
	}
	if err := l.conn.Exec(fmt.Sprintf("INSERT INTO checkpoints VALUES ('customers', %d)", last)); err != nil {
		return errors.Join(err, l.rollback.Exec())
	}
	return l.commit.Exec()
}

func (l *handLog) readRows() (map[string]Customer, error) {
	rows := make(map[string]Customer)
	stmt, err := prepare(l.conn, "SELECT key, value FROM customers")
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	return rows, eachRow(stmt, func() error {
		var row Customer
		err := json.Unmarshal(stmt.ColumnRawBlob(1), &row)
		rows[stmt.ColumnText(0)] = row
		return err
	})
}

// eachRow calls a function for each row of a statement.
func eachRow(stmt *sqlite3.Stmt, row func() error) error {
	for stmt.Step() {
		if err := row(); err != nil {
			return err
		}
	}
	return stmt.Err()
}
