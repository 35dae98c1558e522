package projection

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// rewinder is a worker that can make one row anew.
type rewinder interface {
	rewind(ctx context.Context, key string, at carillon.Position) error
}

// Rewind makes one row of a keyed read model anew from the first event, while everything else is served and goes on afterwards: the way
// to mend a row that was spoilt. Events that are parked are left out. Errors: [carillon.ErrUnsupported] for what is no keyed read model,
// [carillon.ErrLeaseHeld] when another process runs the row's segment.
func (e *Engine) Rewind(ctx context.Context, name, key string) error {
	runners, err := e.find(name)
	if err != nil {
		return err
	}
	r := runners[segmentOf(key, len(runners))]
	w, ok := r.work.(rewinder)
	if !ok {
		return fmt.Errorf("%q has no rows by key: %w", name, carillon.ErrUnsupported)
	}
	if e.claims != nil && !r.local.Load() {
		lease, err := e.claims.leases.Claim(ctx, r.leaseName(), e.claims.holder, e.claims.term)
		if err != nil {
			return err
		}
		defer func() { _ = e.claims.leases.Release(context.WithoutCancel(ctx), lease) }() // it runs out
		r.work.hold(&lease)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at, err = checkpointUnless(ctx, r); err != nil {
		return err
	}
	return w.rewind(ctx, key, r.at)
}

// checkpointUnless is where a runner stands, or the store's checkpoint when it does not run.
func checkpointUnless(ctx context.Context, r *runner) (carillon.Position, error) {
	if r.local.Load() && r.at > 0 {
		return r.at, nil
	}
	return checkpoint(ctx, r.engine.store.ReadModels(), r.ref())
}

// one is the only row a rewind folds.
type one[S any] struct {
	key    string
	state  S
	exists bool
}

func (o *one[S]) change(_ context.Context, key string) (*S, error) {
	if key != o.key {
		return nil, nil //nolint:nilnil // neither a row nor an error: the fold passes over it
	}
	o.exists = true
	return &o.state, nil
}

func (o *one[S]) remove(_ context.Context, key string) error {
	if key == o.key {
		o.state, o.exists = *new(S), false
	}
	return nil
}

// rewind folds what happened to a row up to a position, and writes it.
func (w *keyedWorker[S]) rewind(ctx context.Context, key string, at carillon.Position) error {
	if err := w.catchUp(ctx, at); err != nil {
		return err
	}
	letters, err := w.letters(ctx)
	if err != nil {
		return err
	}
	parked := make(map[carillon.Position]bool, len(letters))
	for i := range letters {
		parked[letters[i].Position] = true
	}
	made, version := &one[S]{key: key}, int64(0)
	for batch, err := range w.engine.log.Follow(ctx, 0, eventlog.StopAtHead()) {
		if err != nil {
			return err
		}
		for i := range batch.Entries {
			entry := &batch.Entries[i]
			f, ok := w.model.folds[entry.Type]
			if !ok || entry.Position > at || parked[entry.Position] {
				continue
			}
			if err := f.apply(ctx, w.engine.codec, entry, made); err != nil {
				return fmt.Errorf("event %q at position %d: %w", entry.Type, entry.Position, err)
			}
			if f.entity && entityKey(entry.Recorded) == key {
				version = entry.Version
			}
		}
		if batch.Through >= at {
			break
		}
	}
	r, ok := w.rows[key]
	if !ok {
		r = &row[S]{key: key}
		w.rows[key] = r
	}
	r.state, r.exists, r.version = made.state, made.exists, version
	if !r.dirty {
		r.dirty = true
		w.dirty = append(w.dirty, r)
	}
	if err := w.commit(ctx, at, false); err != nil {
		w.forget()
		return err
	}
	return nil
}
