package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

const (
	// rowCacheBytes bounds the encoded size of the rows a projection keeps in memory between batches.
	rowCacheBytes = 8 << 20
	// idleCheckpoint is how many events without effect may pass before the checkpoint is written all the same.
	idleCheckpoint = 10_000
	// commitRows, commitBytes and commitEvery bound what is put off while there is history to go through: a row that changes in every
	// batch is written once.
	commitRows  = 10_000
	commitBytes = 2 << 20 // of the events' payloads, and up to keptLittle times as much where the rows keep less of them
	keptLittle  = 8
	commitEvery = time.Second
	// shadowEvery is commitEvery of a shadow, which nobody reads, and which begins anew when its process ends.
	shadowEvery = 2 * time.Second
)

// keyedWorker folds events into rows, coalesced: a row touched many times in a batch is written once.
type keyedWorker[S any] struct {
	seat

	model *Model[S]
	since time.Time         // when the checkpoint was written
	done  carillon.Position // all effects up to here are in the store; between the checkpoint and here there were none
	rows  map[string]*row[S]
	bytes int
	dirty []*row[S]
	taken int // bytes of the payloads that made them so
	room  int // how many of these may be put off
	undo  []undo[S]
	// complete says that memory holds every row there is: the model was empty when this worker began.
	complete bool
	// settling is done in the next commit when that is about a parked event.
	settling func(carillon.ReadModelTx) error
}

// row is a row in memory.
type row[S any] struct {
	key     string
	state   S
	version int64
	exists  bool
	dirty   bool
	size    int
}

// undo is a row as it was before the event being folded.
type undo[S any] struct {
	row    *row[S]
	before row[S]
}

func (m *Model[S]) worker(e *Engine, part segment) (worker, error) {
	if m.err != nil {
		return nil, m.err
	}
	return newKeyedWorker(m, newSeat(e, m.name, part)), nil
}

func newKeyedWorker[S any](m *Model[S], s seat) *keyedWorker[S] {
	return &keyedWorker[S]{model: m, seat: s, rows: make(map[string]*row[S]), room: commitBytes}
}

func (w *keyedWorker[S]) prepare(entry *eventlog.Entry) {
	defer func() { _ = recover() }() // apply meets the panic again, too
	if f, ok := w.model.folds[entry.Type]; ok && (!f.entity || w.part.holds(entityKey(entry.Recorded))) {
		_ = f.decode(w.engine.codec, entry) // apply meets the error again, in order
	}
}

func (w *keyedWorker[S]) start(context.Context) error {
	w.forget()
	return nil
}

// forget drops what is in memory, so that it is read from the store again.
func (w *keyedWorker[S]) forget() {
	clear(w.rows)
	w.bytes, w.stored, w.since = 0, -1, time.Now()
	w.last.Store(0)
	w.complete = false
	w.dirty, w.taken, w.room, w.undo = w.dirty[:0], 0, commitBytes, w.undo[:0]
	w.parking.forget()
}

func (w *keyedWorker[S]) apply(ctx context.Context, batch eventlog.Batch, from carillon.Position) (carillon.Position, error) {
	fresh := w.stored < 0
	if err := w.resume(ctx, from); err != nil {
		return from, err
	}
	if fresh {
		w.complete = from == 0
	}
	through := batch.Through
	var failure error
	for i := range batch.Entries {
		entry := &batch.Entries[i]
		if failure = w.foldOrPark(ctx, entry); failure != nil {
			through = entry.Position - 1
			break
		}
	}
	if failure == nil && batch.More && w.mayWait() {
		return w.done, nil
	}
	if err := w.commit(ctx, through, batch.CaughtUp); err != nil {
		w.forget()
		return w.done, err
	}
	w.done = through
	return through, failure
}

// foldOrPark folds an event, or parks it: one that fails, and one whose key is parked. An error is the store's.
func (w *keyedWorker[S]) foldOrPark(ctx context.Context, entry *eventlog.Entry) error {
	f, ok := w.model.folds[entry.Type]
	var unknown error
	if !ok {
		unknown = w.nobodyKnows(entry.Recorded)
	}
	if !ok && unknown == nil || f.entity && !w.part.holds(entityKey(entry.Recorded)) || len(w.keys) > 0 && w.behind(entry.Recorded) {
		return nil
	}
	err := unknown
	if ok {
		w.taken += len(entry.Payload)
		err = w.fold(ctx, f, entry)
	}
	if err == nil {
		return nil
	}
	if ok {
		w.revert()
	}
	if !w.takes(ctx, err) {
		return err
	}
	w.park(entry.Recorded, err, nil)
	w.engine.logger.Error("event parked", slog.String("projection", w.model.name), slog.Any("error", err))
	return nil
}

// resume reads what has to be known of the store before rows are, unless it is known. The checkpoint is the caller's.
func (w *keyedWorker[S]) resume(ctx context.Context, at carillon.Position) error {
	if w.stored < 0 {
		if err := w.identify(ctx); err != nil {
			return err
		}
		w.stored, w.done = at, at
	}
	return w.load(ctx)
}

// catchUp writes what was put off, so that the rows are as of a position.
func (w *keyedWorker[S]) catchUp(ctx context.Context, at carillon.Position) error {
	if err := w.resume(ctx, at); err != nil {
		return err
	}
	if len(w.dirty) == 0 && len(w.pending) == 0 {
		return nil
	}
	if err := w.commit(ctx, at, false); err != nil {
		w.forget()
		return err
	}
	w.done = at
	return nil
}

// knows reports whether this worker has parked a key, or has met it among those that were.
func (w *keyedWorker[S]) knows(key string) bool { return w.keys[key] }

// retry folds the letters of a key in order until one fails.
func (w *keyedWorker[S]) retry(ctx context.Context, key string, at carillon.Position) error {
	if err := w.catchUp(ctx, at); err != nil {
		return err
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
		w.undo = w.undo[:0]
		if f, ok := w.model.folds[entry.Type]; ok {
			err = w.fold(ctx, f, entry)
		} else {
			err = w.nobodyKnows(entry.Recorded)
		}
		if err != nil {
			w.revert()
			if !w.takes(ctx, err) {
				return err
			}
			w.park(entry.Recorded, err, letter)
		}
		failed := err != nil
		w.settling = func(tx carillon.ReadModelTx) error {
			if failed {
				return w.fail(tx, key)
			}
			return w.unpark(tx, letter)
		}
		err = w.commit(ctx, w.done, false)
		w.settling = nil
		if errors.Is(err, errGone) {
			w.revert()
			w.pending = nil
			continue
		}
		if err != nil {
			w.forget()
			return err
		}
		if failed {
			return nil
		}
	}
}

// mayWait reports that the dirty rows may wait for the next batch.
func (w *keyedWorker[S]) mayWait() bool {
	every := commitEvery
	if w.ref.Shadow {
		every = shadowEvery
	}
	return len(w.dirty) > 0 && len(w.pending) == 0 && len(w.dirty) < commitRows && w.taken < w.room && time.Since(w.since) < every
}

// fold folds one event into the rows in memory.
func (w *keyedWorker[S]) fold(ctx context.Context, f fold[S], entry *eventlog.Entry) (err error) {
	defer func() {
		if panicked := recovered(recover()); panicked != nil {
			err = fmt.Errorf("fold %w", panicked)
		}
		if err != nil {
			err = fmt.Errorf("event %q at position %d: %w", entry.Type, entry.Position, err)
		}
	}()
	w.undo = w.undo[:0]
	if err := f.apply(ctx, w.engine.codec, entry, w); err != nil {
		return err
	}
	if f.entity {
		for _, u := range w.undo {
			u.row.version = entry.Version
		}
	}
	return nil
}

// change gives a fold the state of a row, nil for one of another segment.
func (w *keyedWorker[S]) change(ctx context.Context, key string) (*S, error) {
	if !w.part.holds(key) {
		return nil, nil //nolint:nilnil // neither a row nor an error: the fold passes over it
	}
	r, err := w.touch(ctx, key)
	if err != nil {
		return nil, err
	}
	r.exists = true
	return &r.state, nil
}

// remove deletes a row.
func (w *keyedWorker[S]) remove(ctx context.Context, key string) error {
	if !w.part.holds(key) {
		return nil
	}
	r, err := w.touch(ctx, key)
	if err != nil {
		return err
	}
	r.state, r.exists = *new(S), false
	return nil
}

// touch returns a row that the event at hand changes.
func (w *keyedWorker[S]) touch(ctx context.Context, key string) (*row[S], error) {
	r, err := w.row(ctx, key)
	if err != nil {
		return nil, err
	}
	w.undo = append(w.undo, undo[S]{row: r, before: *r})
	if !r.dirty {
		r.dirty = true
		w.dirty = append(w.dirty, r)
	}
	return r, nil
}

// revert takes back what the last event did.
func (w *keyedWorker[S]) revert() {
	for i := len(w.undo) - 1; i >= 0; i-- {
		u := w.undo[i]
		dirty := u.row.dirty
		*u.row = u.before
		u.row.dirty = dirty // it is on the list of dirty rows; writing it again as it was does no harm
	}
	w.undo = w.undo[:0]
}

// row returns the row of a key from memory or the store.
func (w *keyedWorker[S]) row(ctx context.Context, key string) (*row[S], error) {
	if r, ok := w.rows[key]; ok {
		return r, nil
	}
	r := &row[S]{key: key}
	if w.complete {
		w.rows[key] = r
		return r, nil
	}
	stored, _, err := w.engine.store.ReadModels().Row(ctx, w.ref, key)
	switch {
	case errors.Is(err, carillon.ErrNotFound):
	case err != nil:
		return nil, &storeError{err}
	default:
		if err := w.engine.codec.Decode(stored.Value, &r.state); err != nil {
			return nil, &storeError{fmt.Errorf("decode row %q: %w: rebuild the read model if the type of its state has changed", key, err)}
		}
		r.version, r.exists, r.size = stored.Version, true, len(stored.Value)
		w.bytes += r.size
	}
	w.rows[key] = r
	return r, nil
}

// commit writes the dirty rows and the checkpoint in one transaction. Without dirty rows the checkpoint may wait.
func (w *keyedWorker[S]) commit(ctx context.Context, through carillon.Position, caughtUp bool) error {
	if len(w.dirty) == 0 && len(w.pending) == 0 && w.settling == nil && w.idle(through, caughtUp) {
		return nil
	}
	changed := make([]carillon.Row, len(w.dirty))
	for i, r := range w.dirty {
		changed[i] = carillon.Row{Key: r.key, Version: r.version}
		if !r.exists {
			continue
		}
		value, err := w.engine.codec.Encode(r.state)
		if err != nil {
			return fmt.Errorf("encode row %q: %w", r.key, err)
		}
		changed[i].Value = value
	}
	durability := carillon.Refoldable
	if through <= w.stored { // the checkpoint would not tell that a crash of the database took it back
		durability = carillon.Flushed
	}
	err := w.update(ctx, durability, func(tx carillon.ReadModelTx) error {
		if err := errors.Join(w.unmoved(tx), w.unswitched(tx)); err != nil {
			return err
		}
		if err := tx.Put(changed); err != nil {
			return err
		}
		settle := w.write
		if w.settling != nil {
			settle = w.settling
		}
		if err := settle(tx); err != nil {
			return err
		}
		return tx.Advance(through)
	})
	if err != nil {
		return err
	}
	w.committed(through)
	w.since = time.Now()
	w.written()
	w.settle(changed)
	return nil
}

// settle takes note that the dirty rows are written, and keeps memory within its bound.
func (w *keyedWorker[S]) settle(written []carillon.Row) {
	kept := 1
	for i, r := range w.dirty {
		r.dirty = false
		w.bytes += len(written[i].Value) - r.size
		r.size = len(written[i].Value)
		kept += r.size
	}
	clear(w.dirty)
	w.room = commitBytes * min(max(w.taken/kept, 1), keptLittle)
	w.dirty, w.taken = w.dirty[:0], 0
	if w.bytes > rowCacheBytes {
		clear(w.rows)
		w.bytes, w.complete = 0, false
	}
}
