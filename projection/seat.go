package projection

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

// seat is a segment's place in the store: what its worker writes through. It is used by one goroutine at a time.
type seat struct {
	engine *Engine
	ref    carillon.ModelRef
	part   segment
	lease  *carillon.Lease   // nil where nobody else could write
	stored carillon.Position // the checkpoint in the store, -1 while it is not known
	// generation is of the model that was read, so that a switch is noticed; 0 where nobody else could switch.
	generation int64
	last       *atomic.Int64 // the checkpoint that was committed last, for others to read; 0 while it is not known
	leaving    bool          // nothing more comes
	parking
}

func newSeat(e *Engine, name string, part segment) seat {
	return seat{engine: e, ref: carillon.ModelRef{Name: name, Segment: part.index}, part: part, stored: -1, last: new(atomic.Int64), parking: newParking(e, name, part)}
}

func (s *seat) hold(lease *carillon.Lease) { s.lease = lease }

func (s *seat) leave(now bool) { s.leaving = now }

// update runs fn in a transaction that commits only while this process has the segment: a process that was paused past its lease cannot
// write once another has taken over.
func (s *seat) update(ctx context.Context, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	return s.engine.store.ReadModels().Update(ctx, s.ref, durability, func(tx carillon.ReadModelTx) error {
		if s.lease != nil {
			fenced, ok := tx.(carillon.FencedTx)
			if !ok {
				return fmt.Errorf("the store has leases and does not fence: %w", carillon.ErrUnsupported)
			}
			if err := fenced.Fence(*s.lease); err != nil {
				return err
			}
		}
		return fn(tx)
	})
}

// identify takes note of the model there is. What is read of it afterwards holds until another takes its place.
func (s *seat) identify(ctx context.Context) error {
	if s.lease == nil {
		return nil
	}
	return s.update(ctx, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
		s.generation = tx.(carillon.FencedTx).Generation()
		return nil
	})
}

// unswitched refuses to write when another model has taken the place of the one that was read, which need not move the checkpoint.
func (s *seat) unswitched(tx carillon.ReadModelTx) error {
	if s.lease != nil && tx.(carillon.FencedTx).Generation() != s.generation {
		return errMoved
	}
	return nil
}

// committed takes note of a checkpoint that was committed.
func (s *seat) committed(at carillon.Position) {
	s.stored = at
	s.last.Store(int64(at))
}

// reached is the checkpoint that was committed last, 0 while it is not known. It is safe for concurrent use.
func (s *seat) reached() carillon.Position { return carillon.Position(s.last.Load()) }

// unmoved refuses to write when somebody else has moved the checkpoint since it was read.
func (s *seat) unmoved(tx carillon.ReadModelTx) error {
	at, err := tx.Checkpoint()
	if err == nil && at != s.stored {
		if s.lease != nil { // nobody else may write, so a rebuild has taken the model's place
			return errMoved
		}
		err = fmt.Errorf("the checkpoint is at %d, not at %d: somebody else writes this read model: %w", at, s.stored, carillon.ErrConflict)
	}
	return err
}

// idle reports that nothing was written since the checkpoint, and that it may stay where it is for now. Where other processes wait for
// this one they look at the checkpoint, so it moves at the end of the log; and it moves when the worker leaves.
func (s *seat) idle(through carillon.Position, caughtUp bool) bool {
	if s.leaving || s.engine.claims != nil && caughtUp {
		return through <= s.stored
	}
	return through-s.stored < idleCheckpoint
}
