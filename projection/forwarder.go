package projection

import (
	"context"
	"fmt"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// Forwarder is the definition of what passes events on, batch by batch, such as to a broker. A rebuild cannot reach it.
type Forwarder struct {
	name    string
	start   Start
	types   []string
	forward func(context.Context, []carillon.Recorded) error
	err     error
}

// Forward passes the events of some types on, all types when none is named, in the order of the log: at least once, the next batch when
// forward has returned without an error, and the same again until it does. One process at a time does it. Events come with their
// ids, so that whoever receives them can tell repetitions.
func Forward(name string, start Start, forward func(ctx context.Context, events []carillon.Recorded) error, types ...string) *Forwarder {
	f := &Forwarder{name: name, start: start, types: types, forward: forward}
	switch err := carillon.CheckType(name); {
	case err != nil:
		f.err = fmt.Errorf("forwarder %q: %w", name, err)
	case !start.set:
		f.err = carillon.Invalidf(fmt.Sprintf("forwarder %q", name), "it says where it starts: FromNow, FromBeginning or After")
	}
	return f
}

// Name returns the forwarder's name.
func (f *Forwarder) Name() string { return f.name }

// Describe describes the forwarder.
func (f *Forwarder) Describe() carillon.Description {
	return carillon.Description{Kind: "forwarder", Name: f.name, Accepts: slices.Sorted(slices.Values(f.types))}
}

func (f *Forwarder) worker(e *Engine, part segment) (worker, error) {
	if f.err != nil {
		return nil, f.err
	}
	if part.of > 1 {
		return nil, carillon.Invalidf(fmt.Sprintf("forwarder %q", f.name), "it is in one piece, so that order is kept")
	}
	return &forwardWorker{forwarder: f, seat: newSeat(e, f.name, part)}, nil
}

// forwardWorker moves the checkpoint behind what was passed on. The commit is not flushed: after a power cut events go out again.
type forwardWorker struct {
	seat

	forwarder *Forwarder
}

func (w *forwardWorker) prepare(*eventlog.Entry) {}

// start writes the first checkpoint of a forwarder the store does not know.
func (w *forwardWorker) start(ctx context.Context) error {
	w.stored = -1
	models, err := w.engine.store.ReadModels().Models(ctx)
	known := slices.ContainsFunc(models, func(model carillon.ModelInfo) bool { return model.Name == w.ref.Name })
	if err != nil || known {
		return err
	}
	at := w.forwarder.start.at
	if w.forwarder.start.head {
		if at, err = w.engine.log.Head(ctx); err != nil {
			return err
		}
	}
	return w.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error { return tx.Advance(at) })
}

func (w *forwardWorker) apply(ctx context.Context, batch eventlog.Batch, from carillon.Position) (carillon.Position, error) {
	if w.stored < 0 {
		w.stored = from
	}
	events := make([]carillon.Recorded, 0, len(batch.Entries))
	for i := range batch.Entries {
		if len(w.forwarder.types) == 0 || slices.Contains(w.forwarder.types, batch.Entries[i].Type) {
			events = append(events, *batch.Entries[i].Recorded)
		}
	}
	if len(events) > 0 {
		if err := w.forwarder.forward(ctx, events); err != nil {
			return from, err
		}
	} else if w.idle(batch.Through, batch.CaughtUp) {
		return batch.Through, nil
	}
	err := w.update(ctx, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
		if err := w.unmoved(tx); err != nil {
			return err
		}
		return tx.Advance(batch.Through)
	})
	if err != nil {
		return from, err
	}
	w.committed(batch.Through)
	return batch.Through, nil
}

// retry has nothing to do: a forwarder parks nothing.
func (w *forwardWorker) retry(context.Context, string, carillon.Position) error { return nil }

func (w *forwardWorker) rebuild(context.Context, func(), rebuilding) (carillon.Position, error) {
	return 0, fmt.Errorf("forwarder %q: what went out cannot be rebuilt: %w", w.forwarder.name, carillon.ErrUnsupported)
}
