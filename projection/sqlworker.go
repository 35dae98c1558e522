package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// sqlWorker lets handlers write tables within the transaction of the checkpoint.
type sqlWorker struct {
	seat

	tables *Tables
}

func (t *Tables) worker(e *Engine, part segment) (worker, error) {
	if t.err != nil {
		return nil, t.err
	}
	if _, ok := e.store.(carillon.SQLReader); !ok {
		return nil, unsupportedSQL(t.name)
	}
	return &sqlWorker{tables: t, seat: newSeat(e, t.name, part)}, nil
}

func (w *sqlWorker) prepare(*eventlog.Entry) {}

// start makes the tables.
func (w *sqlWorker) start(ctx context.Context) error {
	w.stored = -1
	w.parking.forget()
	return w.transaction(ctx, carillon.Flushed, func(tx carillon.ReadModelTx, tables carillon.SQLExecutor) error {
		_, err := tables.ExecContext(ctx, w.tables.schema)
		return err
	})
}

func (w *sqlWorker) transaction(ctx context.Context, durability carillon.Durability, fn func(carillon.ReadModelTx, carillon.SQLExecutor) error) error {
	return w.update(ctx, durability, func(tx carillon.ReadModelTx) error {
		tables, ok := tx.(carillon.SQLTx)
		if !ok {
			return unsupportedSQL(w.tables.name)
		}
		return fn(tx, tables.SQL())
	})
}

func (w *sqlWorker) apply(ctx context.Context, batch eventlog.Batch, from carillon.Position) (carillon.Position, error) {
	if err := w.load(ctx); err != nil {
		return from, err
	}
	if w.stored < 0 {
		w.stored = from
	}
	entries := batch.Entries
	for {
		failed, err := w.commit(ctx, entries, batch.Through, batch.CaughtUp)
		if err == nil {
			return batch.Through, nil
		}
		if failed < 0 {
			w.parking.forget()
			return from, err
		}
		// What came before the failing event is sound: commit it, then park the event, or report the failure.
		through := entries[failed].Position - 1
		if failed > 0 {
			if _, prefix := w.commit(ctx, entries[:failed], through, false); prefix != nil {
				w.parking.forget()
				return from, prefix
			}
			from = through
		}
		if !w.takes(ctx, err) {
			return from, err
		}
		w.park(entries[failed].Recorded, err, nil)
		w.engine.logger.Error("event parked", slog.String("projection", w.tables.name), slog.Any("error", err))
		entries = entries[failed+1:]
	}
}

// commit hands entries to their handlers in one transaction, and parks those whose key is parked. failed is the index of the entry that
// did not work, -1 for the transaction itself.
func (w *sqlWorker) commit(ctx context.Context, entries []eventlog.Entry, through carillon.Position, caughtUp bool) (failed int, err error) {
	failed = -1
	if !w.concerned(entries) && len(w.pending) == 0 && w.idle(through, caughtUp) {
		return failed, nil
	}
	parked := len(w.pending)
	err = w.transaction(ctx, carillon.Refoldable, func(tx carillon.ReadModelTx, tables carillon.SQLExecutor) error {
		if err := w.unmoved(tx); err != nil {
			return err
		}
		for i := range entries {
			handle, ok := w.handler(&entries[i])
			if !ok || len(w.keys) > 0 && w.behind(entries[i].Recorded) {
				continue
			}
			if err := guarded(ctx, handle, tables, w.engine.codec, &entries[i]); err != nil {
				failed = i
				return fmt.Errorf("event %q at position %d: %w", entries[i].Type, entries[i].Position, err)
			}
		}
		if err := w.write(tx); err != nil {
			return err
		}
		return tx.Advance(through)
	})
	if err != nil {
		w.pending = w.pending[:parked]
		return failed, err
	}
	w.committed(through)
	w.written()
	return failed, nil
}

// retry hands the letters of a key to their handlers in order until one fails. What it commits is flushed, since it leaves the checkpoint
// where it is, which so would not tell that a crash of the database took it back.
func (w *sqlWorker) retry(ctx context.Context, key string, at carillon.Position) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if w.stored < 0 {
		w.stored = at
	}
	for {
		letter, entry, err := w.first(ctx, w.engine.log, key)
		if err != nil {
			return err
		}
		if letter == nil {
			delete(w.keys, key)
			return nil
		}
		blamed := false // the event, for the failure
		err = w.transaction(ctx, carillon.Flushed, func(tx carillon.ReadModelTx, tables carillon.SQLExecutor) error {
			if err := w.unmoved(tx); err != nil {
				return err
			}
			if err := w.unpark(tx, letter); err != nil {
				return err
			}
			if handle, ok := w.handler(entry); ok {
				if err := guarded(ctx, handle, tables, w.engine.codec, entry); err != nil {
					blamed = true
					return fmt.Errorf("event %q at position %d: %w", entry.Type, entry.Position, err)
				}
			}
			return nil
		})
		if err == nil || errors.Is(err, errGone) {
			continue
		}
		if !blamed || !w.takes(ctx, err) {
			return err
		}
		w.park(entry.Recorded, err, letter)
		err = w.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			if err := w.unmoved(tx); err != nil {
				return err
			}
			return w.fail(tx, key)
		})
		w.pending = nil
		if !errors.Is(err, errGone) {
			return err
		}
	}
}

// guarded calls a handler; its panic is its failure, and the transaction is rolled back as for any other.
func guarded(ctx context.Context, handle statement, tables carillon.SQLExecutor, codec carillon.Codec, entry *eventlog.Entry) (err error) {
	defer func() {
		if panicked := recovered(recover()); panicked != nil {
			err = fmt.Errorf("handler %w", panicked)
		}
	}()
	return handle(ctx, tables, codec, entry)
}

// handler returns the handler of an entry of this segment.
func (w *sqlWorker) handler(entry *eventlog.Entry) (statement, bool) {
	if handle, ok := w.tables.handlers[entry.Type]; ok {
		return handle, w.part.holds(entityKey(entry.Recorded))
	}
	unknown := w.nobodyKnows(entry.Recorded)
	return func(context.Context, carillon.SQLExecutor, carillon.Codec, *eventlog.Entry) error { return unknown }, unknown != nil
}

func (w *sqlWorker) concerned(entries []eventlog.Entry) bool {
	for i := range entries {
		if _, ok := w.handler(&entries[i]); ok {
			return true
		}
	}
	return false
}

// followAgain has the other segments of this process begin anew, whose checkpoints were set back. Those of other processes find out by
// themselves.
func (w *sqlWorker) followAgain() {
	runners, err := w.engine.find(w.ref.Name)
	if err != nil {
		return
	}
	for _, r := range runners {
		if r.part.index != w.part.index {
			r.again()
		}
	}
}

// rebuild empties the tables and lets them fill again from the first event; queries see them fill. Other segments fill their part
// themselves.
func (w *sqlWorker) rebuild(ctx context.Context, pause func(), asked rebuilding) (carillon.Position, error) {
	if asked.report != nil || asked.keep {
		return 0, fmt.Errorf("its tables are emptied and filled again, there is nothing to compare: %w", carillon.ErrUnsupported)
	}
	if w.tables.empty == "" {
		return 0, fmt.Errorf("it names no statement that empties its tables, see projection.Empty: %w", carillon.ErrUnsupported)
	}
	pause()
	err := w.transaction(ctx, carillon.Flushed, func(tx carillon.ReadModelTx, tables carillon.SQLExecutor) error {
		if err := tx.Clear(); err != nil { // waits for what other segments write: the tables are emptied of that, too
			return err
		}
		if _, err := tables.ExecContext(ctx, w.tables.schema); err != nil {
			return err
		}
		_, err := tables.ExecContext(ctx, w.tables.empty)
		return err
	})
	if err != nil {
		return 0, err
	}
	w.parking.forget()
	w.stored = 0
	w.followAgain()
	at := carillon.Position(0)
	for batch, err := range w.engine.log.Follow(ctx, 0, eventlog.StopAtHead()) {
		if err != nil {
			return at, err
		}
		if at, err = w.apply(ctx, batch, at); err != nil {
			return at, err
		}
	}
	err = w.transaction(ctx, carillon.Flushed, func(tx carillon.ReadModelTx, _ carillon.SQLExecutor) error {
		if err := w.unmoved(tx); err != nil {
			return err
		}
		return tx.Advance(at)
	})
	w.stored = -1
	return at, err
}
