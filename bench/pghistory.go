package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
)

// pgHistory is one long log twice: in Carillon's schema and in one by hand.
type pgHistory struct {
	history
	database *pgDatabase
	product  *product
	hand     *pgHandLog
}

// newPGHistory fills the logs. Each event is its customer's.
func newPGHistory(ctx context.Context, w *workspace, customer func(n int) string) (*pgHistory, error) {
	d, err := openPG(ctx, w)
	if err != nil {
		return nil, err
	}
	w.say("  building two logs of %s events", grouped(w.events))
	h := &pgHistory{history: historyOf(w.events), database: d}
	if err := h.fill(ctx, customer); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *pgHistory) fill(ctx context.Context, customer func(n int) string) error {
	schema, handSchema := h.database.name(), h.database.name()
	var err error
	if h.product, err = h.database.kept(ctx, schema); err != nil {
		return err
	}
	if h.hand, err = h.database.hand(ctx, handSchema, 2); err != nil {
		return err
	}
	versions := make(map[string]int64)
	next := func(n int) (key string, version int64) {
		key = customer(n)
		versions[key]++
		return key, versions[key]
	}
	err = h.product.fill(ctx, h.events, func(n int) (string, int64, carillon.Message) {
		key, version := next(n)
		return customerStream(key), version, carillon.Message{Key: key, Payload: payloadFor(n, key)}
	})
	if err != nil {
		return err
	}
	h.rows = len(versions)
	clear(versions)
	err = h.hand.fill(ctx, h.events, func(n int) (string, int64, []byte) {
		key, version := next(n)
		return customerStream(key), version, payloadFor(n, key)
	})
	if err != nil {
		return err
	}
	return h.database.tidy(ctx, schema+".events", handSchema+".events")
}

func (h *pgHistory) close() error {
	if h.hand != nil {
		h.hand.pool.Close()
	}
	return h.database.close()
}

// folded is a table of a read model in the making.
type folded struct {
	table   string
	rows    map[string]Customer
	changed map[string]struct{} // since it was written
	through int64
}

func newFolded(table string) *folded {
	return &folded{table: table, rows: make(map[string]Customer), changed: make(map[string]struct{})}
}

// fold folds an event into its row.
func (f *folded) fold(position int64, typ string, payload []byte) error {
	f.through = position
	if typ != orderPlaced {
		return nil
	}
	var event OrderPlaced
	if err := json.Unmarshal(payload, &event); err != nil {
		return err
	}
	f.rows[event.Customer] = f.rows[event.Customer].Placed(event)
	f.changed[event.Customer] = struct{}{}
	return nil
}

// write upserts what has changed, and the checkpoint, in one transaction and one round trip. It need not be flushed: it can be made
// again from the log.
func (f *folded) write(ctx context.Context, l *pgHandLog) error {
	keys, values := make([]string, 0, len(f.changed)), make([][]byte, 0, len(f.changed))
	for key := range f.changed {
		value, err := json.Marshal(f.rows[key])
		if err != nil {
			return err
		}
		keys, values = append(keys, key), append(values, value)
	}
	clear(f.changed)
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue("SET LOCAL synchronous_commit = off")
	batch.Queue("INSERT INTO "+f.table+" SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT (key) DO UPDATE SET value = excluded.value", keys, values)
	batch.Queue("INSERT INTO checkpoints VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET position = excluded.position", f.table, f.through)
	batch.Queue("COMMIT")
	return l.pool.SendBatch(ctx, batch).Close()
}

// check compares the table with what must come out.
func (h *pgHistory) check(ctx context.Context, table string) error {
	stored := make(map[string]Customer)
	found, err := h.hand.pool.Query(ctx, "SELECT key, value FROM "+table)
	if err != nil {
		return err
	}
	var key string
	var value []byte
	_, err = pgx.ForEachRow(found, []any{&key, &value}, func() error {
		var row Customer
		err := json.Unmarshal(value, &row)
		stored[key] = row
		return err
	})
	return errors.Join(err, h.history.check(stored))
}
