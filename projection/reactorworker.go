package projection

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// reactorWorker calls handlers one event at a time and flushes the checkpoint behind each effect.
type reactorWorker struct {
	seat

	reactor *Reactor
}

func (r *Reactor) worker(e *Engine, part segment) (worker, error) {
	if r.err != nil {
		return nil, r.err
	}
	return &reactorWorker{reactor: r, seat: newSeat(e, r.name, part)}, nil
}

func (w *reactorWorker) prepare(entry *eventlog.Entry) {}

// start writes the first checkpoint of a reactor the store does not know.
func (w *reactorWorker) start(ctx context.Context) error {
	w.stored = -1
	models, err := w.engine.store.ReadModels().Models(ctx)
	if err != nil {
		return err
	}
	for _, model := range models {
		if model.Name == w.ref.Name {
			return nil
		}
	}
	at := w.reactor.start.at
	if w.reactor.start.head {
		if at, err = w.engine.log.Head(ctx); err != nil {
			return err
		}
	}
	return w.advance(ctx, at)
}

func (w *reactorWorker) advance(ctx context.Context, to carillon.Position) error {
	err := w.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error { return tx.Advance(to) })
	if err == nil {
		w.stored = to
	}
	return err
}

func (w *reactorWorker) apply(ctx context.Context, batch eventlog.Batch, from carillon.Position) (carillon.Position, error) {
	if w.stored < 0 {
		w.stored = from
	}
	reached := from
	for i := range batch.Entries {
		entry := &batch.Entries[i]
		handle, ok := w.reactor.handlers[entry.Type]
		if !ok || !w.part.holds(entityKey(entry.Recorded)) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return reached, err
		}
		if err := safely(ctx, handle, w.engine.codec, entry); err != nil {
			return max(reached, entry.Position-1), fmt.Errorf("event %q at position %d: %w", entry.Type, entry.Position, err)
		}
		if err := w.advance(ctx, entry.Position); err != nil {
			return reached, err
		}
		reached = entry.Position
	}
	if !w.idle(batch.Through, batch.CaughtUp) {
		return batch.Through, w.advance(ctx, batch.Through)
	}
	return batch.Through, nil
}

// safely calls a handler; its panic is its failure.
func safely(ctx context.Context, handle effect, codec carillon.Codec, entry *eventlog.Entry) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("handler panicked: %v", cause)
		}
	}()
	return handle(ctx, codec, entry)
}

func (w *reactorWorker) rebuild(context.Context, func()) (carillon.Position, error) {
	return 0, fmt.Errorf("a reactor has side effects and is never replayed: %w", carillon.ErrUnsupported)
}
