package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

func interruptedUpdateChecks() []check {
	return []check{
		{"failed update", checkFailedUpdate},
		{"panicked update", checkPanickedUpdate},
		{"cancelled update", checkCancelledUpdate},
	}
}

var errGivenUp = errors.New("the check gave the update up")

// ways are what a transaction may have done before it ends.
func ways() map[string]func(tx carillon.ReadModelTx) error {
	return map[string]func(tx carillon.ReadModelTx) error{
		"a put": func(tx carillon.ReadModelTx) error {
			return tx.Put([]carillon.Row{row("a", "lost", 9), row("z", "lost", 9)})
		},
		"a deletion":       func(tx carillon.ReadModelTx) error { return tx.Put([]carillon.Row{{Key: "a"}}) },
		"an advance":       func(tx carillon.ReadModelTx) error { return tx.Advance(99) },
		"a clear":          carillon.ReadModelTx.Clear,
		"a put and a move": func(tx carillon.ReadModelTx) error { return putRows(tx, 99, row("a", "lost", 9)) },
	}
}

// interrupted has updates of a known model and of a new one end in a way of their own, and demands that nothing is left of them.
func (s *subject) interrupted(ctx context.Context, end func(ref carillon.ModelRef, work func(tx carillon.ReadModelTx) error) error) error {
	if err := s.put(ctx, model(), 5, row("a", "kept", 1), row("b", "kept", 1)); err != nil {
		return err
	}
	for name, work := range ways() {
		for _, ref := range []carillon.ModelRef{model(), {Name: "new"}, {Name: "orders", Shadow: true}} {
			if err := end(ref, work); err != nil {
				return fmt.Errorf("after %s in %s: %w", name, describeModel(ref), err)
			}
		}
		err := errors.Join(
			s.holds(ctx, model(), 5, row("a", "kept", 1), row("b", "kept", 1)),
			s.missing(ctx, model(), "z"),
			s.missing(ctx, carillon.ModelRef{Name: "new"}, "a", "z"),
			s.lists(ctx, carillon.ModelInfo{Name: "orders", Checkpoint: 5, Rows: 2, Shadow: -1}),
		)
		if err != nil {
			return fmt.Errorf("something is left of %s: %w", name, err)
		}
	}
	return s.put(ctx, model(), 6, row("a", "after", 2))
}

// checkFailedUpdate has fn return errors.
func checkFailedUpdate(ctx context.Context, s *subject) error {
	return s.interrupted(ctx, func(ref carillon.ModelRef, work func(tx carillon.ReadModelTx) error) error {
		err := s.update(ctx, ref, func(tx carillon.ReadModelTx) error { return errors.Join(work(tx), errGivenUp) })
		if !errors.Is(err, errGivenUp) {
			return fmt.Errorf("error %w, want the one that fn returned", errOrNil(err))
		}
		return nil
	})
}

// checkPanickedUpdate has fn panic. Whether the panic goes on or becomes an error is the store's choice.
func checkPanickedUpdate(ctx context.Context, s *subject) error {
	return s.interrupted(ctx, func(ref carillon.ModelRef, work func(tx carillon.ReadModelTx) error) error {
		err := panicking(func() error {
			return s.update(ctx, ref, func(tx carillon.ReadModelTx) error {
				if err := work(tx); err != nil {
					return err
				}
				panic(errGivenUp)
			})
		})
		if err == nil {
			return fmt.Errorf("the update succeeded although fn panicked")
		}
		return nil
	})
}

// panicking turns a panic into an error.
func panicking(call func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return call()
}

// checkCancelledUpdate cancels contexts before an update, and within. An update that was under way may still succeed.
func checkCancelledUpdate(ctx context.Context, s *subject) error {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	err := s.interrupted(ctx, func(ref carillon.ModelRef, work func(tx carillon.ReadModelTx) error) error {
		if err := s.update(cancelled, ref, work); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("error %w, want that of the context, which was cancelled before", errOrNil(err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.refuses(cancelled, context.Canceled); err != nil {
		return fmt.Errorf("with a cancelled context: %w", err)
	}
	ref := carillon.ModelRef{Name: "cancelled"}
	checkpoint := carillon.Position(0)
	for range 10 {
		within, cancel := context.WithCancel(ctx)
		err := s.update(within, ref, func(tx carillon.ReadModelTx) error {
			if err := tx.Put([]carillon.Row{row("a", fmt.Sprint(checkpoint+1), 1)}); err != nil {
				return err
			}
			cancel()
			return tx.Advance(checkpoint + 1)
		})
		cancel()
		found, at, reading := s.store.ReadModels().Row(ctx, ref, "a")
		if reading != nil && !errors.Is(reading, carillon.ErrNotFound) {
			return reading
		}
		moved := at == checkpoint+1
		switch {
		case err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, carillon.ErrOutcomeUnknown):
			return fmt.Errorf("an update cancelled within failed with %w, want its context's error or ErrOutcomeUnknown", err)
		case err == nil && !moved, errors.Is(err, context.Canceled) && !errors.Is(err, carillon.ErrOutcomeUnknown) && moved:
			return fmt.Errorf("an update cancelled within was answered with error %w, and the checkpoint was %d before and is %d", errOrNil(err), checkpoint, at)
		case moved && string(found.Value) != fmt.Sprint(at), !moved && at != checkpoint:
			return fmt.Errorf("an update cancelled within left row %s at checkpoint %d", describeRow(found), at)
		}
		checkpoint = at
	}
	return s.put(ctx, ref, checkpoint+1, row("a", "after", 1))
}
