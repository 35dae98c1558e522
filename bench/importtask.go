package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/importer"
	"github.com/carillon-go/carillon/examples/shop/retail"
	"github.com/carillon-go/carillon/sourcing"
)

// The program runs itself with these arguments to import in a process of its own: the task, the retail file, the store.
const (
	taskArgument     = "task"
	taskImport       = "import"
	taskImportByHand = "import-by-hand"
)

// task carries out the task that a process was started for.
func task(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == taskProject {
		return project(ctx, args[1])
	}
	if len(args) != 3 {
		return fmt.Errorf("%s takes a task, a retail file and a store, not %q", taskArgument, args)
	}
	work := importWithShop
	if args[0] == taskImportByHand {
		work = importByHand
	}
	done, err := work(ctx, args[1], args[2])
	if err != nil {
		return err
	}
	info, err := os.Stat(args[2])
	if err != nil {
		return err
	}
	done.FileBytes, done.Resident = info.Size(), residentPeak()
	return json.NewEncoder(out).Encode(done)
}

// residentPeak is the most memory this process has held, 0 where the system does not tell.
func residentPeak() int64 {
	kilobytes, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

// importWithShop imports a file into the shop and returns when every read model has caught up.
func importWithShop(ctx context.Context, file, path string) (done taskOutcome, err error) {
	serving, stop := context.WithCancel(ctx)
	watch := startWatch()
	service, _ := shop.New(sqlite.File(path), "")
	ended := make(chan error, 1)
	go func() { ended <- service.Run(serving) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	running, err := service.Running(ctx)
	if err != nil {
		return done, err
	}
	rejects := importer.RejectsTo(path + ".rejects")
	reader, err := retail.Open(file, retail.OnReject(rejects.Row))
	if err != nil {
		return done, err
	}
	defer reader.Close()
	imported, err := importer.Import(ctx, running.Bus, reader, rejects)
	if err != nil {
		return done, err
	}
	head, err := running.Log.Head(ctx)
	if err != nil {
		return done, err
	}
	if err := running.Projections.WaitAll(ctx, head); err != nil {
		return done, err
	}
	got := watch.stop(int64(head))

	done = taskOutcome{Events: got.done, Took: got.took, Busy: got.busy}
	summary, err := cqrs.Ask[shop.Summary](ctx, running.Bus, shop.SummaryOf{})
	if err != nil {
		return done, err
	}
	done.Net = int64(summary.Net)
	if counted := summary.Orders + summary.CreditNotes + summary.Adjustments + summary.WriteOffs; counted != done.Events || imported.Commands != done.Events {
		return done, fmt.Errorf("%d commands made %d events, the read models count %d", imported.Commands, done.Events, counted)
	}
	done.PayloadBytes, err = sumPayloads(ctx, running.Log)
	return done, err
}

func sumPayloads(ctx context.Context, log *eventlog.Log) (int64, error) {
	var total int64
	for batch, err := range log.Follow(ctx, 0, eventlog.StopAtHead()) {
		if err != nil {
			return 0, err
		}
		for i := range batch.Entries {
			total += int64(len(batch.Entries[i].Payload))
		}
	}
	return total, nil
}

// importByHand writes the events of a file in batches, and nothing else.
func importByHand(_ context.Context, file, path string) (done taskOutcome, err error) {
	watch := startWatch()
	log, err := openHandLog(path)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	reader, err := retail.Open(file)
	if err != nil {
		return done, err
	}
	defer reader.Close()
	if done, err = log.importAll(reader); err != nil {
		return done, err
	}
	got := watch.stop(done.Events)

	done.Took, done.Busy = got.took, got.busy
	events, bytes, err := log.totals()
	if err == nil && events != done.Events {
		err = fmt.Errorf("%d events were written, the log holds %d", done.Events, events)
	}
	done.PayloadBytes = bytes
	return done, errors.Join(err, log.conn.Exec("PRAGMA wal_checkpoint(TRUNCATE)"))
}

// handBatch is how many events go into a transaction.
const handBatch = 1000

func (l *handLog) importAll(reader *retail.Reader) (done taskOutcome, err error) {
	for invoice, err := range reader.Invoices() {
		if err != nil {
			return done, err
		}
		e, err := handEventOf(invoice)
		if err != nil {
			return done, err
		}
		if done.Events%handBatch == 0 {
			if err := l.begin.Exec(); err != nil {
				return done, err
			}
		}
		if err := l.add(e.stream, 1, e.typ, e.payload); err != nil {
			return done, errors.Join(err, l.rollback.Exec())
		}
		done.Events++
		done.Net += e.net
		if done.Events%handBatch == 0 {
			if err := l.commit.Exec(); err != nil {
				return done, err
			}
		}
	}
	if done.Events%handBatch == 0 {
		return done, nil
	}
	return done, l.commit.Exec()
}

// handEvent is an event of the shop as the hand-written log takes it.
type handEvent struct {
	stream, typ string
	payload     []byte
	net         int64
}

// handEventOf makes the shop's event of an invoice, by the shop's own decisions.
func handEventOf(invoice retail.Invoice) (handEvent, error) {
	var (
		e      handEvent
		events []carillon.Event
		err    error
	)
	switch command := importer.Command(invoice).(type) {
	case shop.PlaceOrder:
		e.stream, e.typ = "order-", "order.placed"
		events, err = shop.Order{}.DecidePlace(sourcing.Moment{}, command)
	case shop.IssueCreditNote:
		e.stream, e.typ = "creditnote-", "creditnote.issued"
		events, err = shop.Filed(false).DecideIssue(sourcing.Moment{}, command)
	case shop.PostAdjustment:
		e.stream, e.typ = "adjustment-", "adjustment.posted"
		events, err = shop.Filed(false).DecidePost(sourcing.Moment{}, command)
	case shop.WriteOffStock:
		e.stream, e.typ = "writeoff-", "stock.written-off"
		events, err = shop.Filed(false).DecideWriteOff(sourcing.Moment{}, command)
	}
	if err != nil || len(events) != 1 {
		return e, fmt.Errorf("invoice %s comes to %d events: %w", invoice.Number, len(events), err)
	}
	e.stream += invoice.Number
	e.net = netOf(events[0])
	e.payload, err = json.Marshal(events[0])
	return e, err
}

// netOf is what an event adds to the shop's net total.
func netOf(event carillon.Event) int64 {
	switch e := event.(type) {
	case shop.OrderPlaced:
		return int64(e.Net)
	case shop.CreditNoteIssued:
		return int64(e.Net)
	case shop.AdjustmentPosted:
		return int64(e.Net)
	default: // a write-off has no price
		return 0
	}
}
