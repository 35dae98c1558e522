package projection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

const (
	// switchTries is how often a shadow that was overtaken catches up and tries to take the live model's place before the live one is held
	// still for it.
	switchTries = 20
	// meetPolls is how often a shadow looks whether the live model has come to where it stands.
	meetPolls = 100
	// comparedRows is how many rows are compared at a time.
	comparedRows = 1000
)

// shadow is a read model being made anew beside the live one.
type shadow[S any] struct {
	worker *keyedWorker[S]
	live   carillon.ModelRef
	of     int // segments of the live model
	at     carillon.Position
	pace   pace
}

// rebuild folds the whole log into a shadow while the live model serves, compares the two if that is asked for, and switches.
func (w *keyedWorker[S]) rebuild(ctx context.Context, pause func(), asked rebuilding) (carillon.Position, error) {
	s, err := w.newShadow(ctx, asked.lease)
	if err != nil {
		return 0, err
	}
	if err := s.toHead(ctx); err != nil {
		return 0, err
	}
	s.pace.hurried = true // what is left is little, and the live model may have to wait for it
	if asked.report != nil {
		if err := s.compare(ctx, asked.report); err != nil {
			return 0, errors.Join(err, s.discard(ctx))
		}
	}
	if asked.keep {
		return -1, s.discard(ctx)
	}
	for try := 0; ; try++ {
		if try == switchTries || w.engine.claims == nil {
			pause()
		}
		if err := s.toHead(ctx); err != nil {
			return 0, err
		}
		err := s.replace(ctx)
		if errors.Is(err, carillon.ErrConflict) && try < 2*switchTries { // the live model was ahead
			continue
		}
		if err != nil {
			return 0, err
		}
		break
	}
	pause() // what this worker has in memory is of the old model
	w.forget()
	return s.at, nil
}

// newShadow makes an empty shadow, which parks for itself what it cannot fold.
func (w *keyedWorker[S]) newShadow(ctx context.Context, lease *carillon.Lease) (*shadow[S], error) {
	place := newSeat(w.engine, w.ref.Name, whole())
	place.ref.Shadow, place.lease = true, lease
	s := &shadow[S]{worker: newKeyedWorker(w.model, place), live: carillon.ModelRef{Name: w.ref.Name}, of: w.part.of}
	if err := place.update(ctx, carillon.Refoldable, func(tx carillon.ReadModelTx) error { return tx.Clear() }); err != nil {
		return nil, err
	}
	s.worker.keys, s.worker.spread = make(map[string]bool), s.of
	return s, nil
}

// toHead folds everything that stands in the log.
func (s *shadow[S]) toHead(ctx context.Context) error { return s.fold(ctx, -1) }

// fold folds events up to a position, or up to the end of the log when that is negative.
func (s *shadow[S]) fold(ctx context.Context, to carillon.Position) error {
	for more := to < 0 || s.at < to; more; {
		gently, err := s.pace.gently(ctx, s.worker.engine.log)
		if err == nil && gently {
			more, err = s.foldPage(ctx, to)
		} else if err == nil {
			more, err = s.foldPages(ctx, to)
		}
		if err != nil {
			return err
		}
	}
	return s.settle(ctx)
}

// foldPages folds events as fast as it can, until it is done or live traffic sets in. more is false when it is done.
func (s *shadow[S]) foldPages(ctx context.Context, to carillon.Position) (more bool, err error) {
	for batch, err := range s.worker.engine.log.Follow(ctx, s.at, eventlog.Prepare(s.worker.prepare), eventlog.StopAtHead()) {
		if err != nil {
			return false, err
		}
		if err := s.take(ctx, batch, to); err != nil || s.at == to {
			return false, err
		}
		if gently, err := s.pace.gently(ctx, s.worker.engine.log); err != nil || gently {
			return true, err
		}
	}
	return false, nil
}

// foldPage folds a small page, and rests as long as that took.
func (s *shadow[S]) foldPage(ctx context.Context, to carillon.Position) (more bool, err error) {
	start := time.Now()
	page, err := s.worker.engine.log.Read(ctx, carillon.AllEvents(), s.at, gentlePage)
	if err != nil {
		return false, err
	}
	batch := eventlog.Batch{Entries: make([]eventlog.Entry, len(page.Events)), Through: page.Through, CaughtUp: !page.More, More: page.More}
	for i := range page.Events {
		batch.Entries[i].Recorded = &page.Events[i]
	}
	if err := s.take(ctx, batch, to); err != nil {
		return false, err
	}
	more = page.More && s.at != to
	if more {
		rest(ctx, time.Since(start))
	}
	return more, ctx.Err()
}

// take folds a batch, as far as a position unless that is negative.
func (s *shadow[S]) take(ctx context.Context, batch eventlog.Batch, to carillon.Position) error {
	if to >= 0 && batch.Through > to {
		batch.Entries, batch.Through = batch.Entries[:max(0, len(batch.Entries)-int(batch.Through-to))], to
		batch.CaughtUp, batch.More = true, false
	}
	if _, err := s.worker.apply(ctx, batch, s.at); err != nil {
		return err
	}
	s.at = batch.Through
	return nil
}

// settle writes what was put off.
func (s *shadow[S]) settle(ctx context.Context) error {
	if len(s.worker.dirty) == 0 {
		return nil
	}
	return s.worker.commit(ctx, s.at, true)
}

// replace writes the checkpoints of all segments, and puts the shadow with its letters in the live model's place. [carillon.ErrConflict]
// says that the live model is ahead of it.
func (s *shadow[S]) replace(ctx context.Context) error {
	for index := range s.of {
		place := s.worker.seat
		place.ref.Segment = index
		err := place.update(ctx, carillon.Flushed, func(tx carillon.ReadModelTx) error { return tx.Advance(s.at) })
		if err != nil {
			return err
		}
	}
	s.worker.stored = s.at
	return s.worker.engine.store.ReadModels().Switch(ctx, s.live.Name)
}

// discard empties the shadow.
func (s *shadow[S]) discard(ctx context.Context) error {
	return s.worker.update(context.WithoutCancel(ctx), carillon.Refoldable, func(tx carillon.ReadModelTx) error { return tx.Clear() })
}

// compare reports every row in which the shadow differs from the live model, both as of one position: the live row says as of which, and
// the shadow is taken there.
func (s *shadow[S]) compare(ctx context.Context, report func(Difference) error) error {
	models := s.worker.engine.store.ReadModels()
	for after := ""; ; {
		old, err := models.Rows(ctx, s.live, after, comparedRows)
		if err != nil {
			return err
		}
		made, err := models.Rows(ctx, s.worker.ref, after, comparedRows)
		if err != nil {
			return err
		}
		suspects, last := suspicious(old, made)
		bySegment := make([][]string, s.of)
		for _, key := range suspects {
			index := segmentOf(key, s.of)
			bySegment[index] = append(bySegment[index], key)
		}
		for _, keys := range bySegment {
			for len(keys) > 0 {
				if keys, err = s.confirm(ctx, keys, report); err != nil {
					return err
				}
			}
		}
		if last == "" {
			return nil
		}
		after = last
	}
}

// suspicious are the keys in which two pages of rows differ, up to the last key that both pages reach; last is empty at the end.
func suspicious(old, made []carillon.Row) (keys []string, last string) {
	if len(old) == comparedRows {
		last = old[len(old)-1].Key
	}
	if len(made) == comparedRows && (last == "" || made[len(made)-1].Key < last) {
		last = made[len(made)-1].Key
	}
	values := make(map[string][]byte, len(made))
	for _, row := range made {
		if last == "" || row.Key <= last {
			values[row.Key] = row.Value
		}
	}
	for _, row := range old {
		if last != "" && row.Key > last {
			continue
		}
		value, ok := values[row.Key]
		if !ok || !bytes.Equal(value, row.Value) {
			keys = append(keys, row.Key)
		}
		delete(values, row.Key)
	}
	for key := range values {
		keys = append(keys, key)
	}
	return keys, last
}

// confirm takes the shadow to where the live model stands and compares rows of one segment there. It returns the keys whose live rows
// have moved on meanwhile.
func (s *shadow[S]) confirm(ctx context.Context, keys []string, report func(Difference) error) (moved []string, err error) {
	if err := s.meet(ctx, keys[0]); err != nil {
		return nil, err
	}
	for _, key := range keys {
		old, at, err := s.worker.engine.store.ReadModels().Row(ctx, s.segment(key), key)
		if err != nil && !errors.Is(err, carillon.ErrNotFound) {
			return nil, err
		}
		if at > s.at {
			moved = append(moved, key)
			continue
		}
		same, err := s.same(ctx, key, old)
		if err == nil && !same {
			err = report(Difference{Key: key, Old: old.Value, New: s.value(ctx, key)})
		}
		if err != nil {
			return nil, err
		}
	}
	return moved, nil
}

// segment is the part of the live model that holds a key.
func (s *shadow[S]) segment(key string) carillon.ModelRef {
	live := s.live
	live.Segment = segmentOf(key, s.of)
	return live
}

// meet takes the shadow to where the live model stands, waiting for it when the shadow is ahead. A live model that has nothing to do does
// not move its checkpoint: after a while it is taken to stand where the shadow does.
func (s *shadow[S]) meet(ctx context.Context, key string) error {
	for range meetPolls {
		at, err := checkpoint(ctx, s.worker.engine.store.ReadModels(), s.segment(key))
		if err != nil {
			return err
		}
		if at >= s.at {
			return s.fold(ctx, at)
		}
		rest(ctx, pollElsewhere)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (s *shadow[S]) same(ctx context.Context, key string, old carillon.Row) (bool, error) {
	row, _, err := s.worker.engine.store.ReadModels().Row(ctx, s.worker.ref, key)
	if err != nil && !errors.Is(err, carillon.ErrNotFound) {
		return false, fmt.Errorf("row %q of the shadow: %w", key, err)
	}
	return bytes.Equal(row.Value, old.Value) && row.Version == old.Version, nil
}

func (s *shadow[S]) value(ctx context.Context, key string) []byte {
	row, _, err := s.worker.engine.store.ReadModels().Row(ctx, s.worker.ref, key)
	if err != nil {
		return nil
	}
	return row.Value
}
