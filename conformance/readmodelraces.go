package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

func updateRaceChecks() []check {
	return []check{
		{"update race", checkUpdateRace},
		{"cancelled update race", checkCancelledUpdateRace},
		{"row checkpoint", checkRowCheckpoint},
	}
}

// count adds one to the row of a key and to the checkpoint, within a transaction that lets others run in between.
func count(tx carillon.ReadModelTx, key string) error {
	counted := int64(0)
	found, err := tx.Row(key)
	switch {
	case errors.Is(err, carillon.ErrNotFound):
	case err != nil:
		return err
	default:
		if counted, err = strconv.ParseInt(string(found.Value), 10, 64); err != nil {
			return err
		}
	}
	at, err := tx.Checkpoint()
	if err != nil {
		return err
	}
	runtime.Gosched()
	return putRows(tx, at+1, row(key, fmt.Sprint(counted+1), counted+1))
}

// checkUpdateRace has many updates of one model count: none is lost. Updates of other models go on beside them.
func checkUpdateRace(ctx context.Context, s *subject) error {
	racers, racersCtx := newGroup(ctx)
	for racer := range s.sizes.Racers {
		own := carillon.ModelRef{Name: fmt.Sprint("own-", racer)}
		racers.start(func() error {
			for range s.sizes.Rounds {
				if err := s.update(racersCtx, model(), func(tx carillon.ReadModelTx) error { return count(tx, "all") }); err != nil {
					return fmt.Errorf("one of many updates: %w", err)
				}
				if err := s.update(racersCtx, own, func(tx carillon.ReadModelTx) error { return count(tx, "own") }); err != nil {
					return fmt.Errorf("one of many updates: %w", err)
				}
			}
			return nil
		})
	}
	if err := racers.wait(); err != nil {
		return err
	}
	for racer := range s.sizes.Racers {
		own, updates := carillon.ModelRef{Name: fmt.Sprint("own-", racer)}, int64(s.sizes.Rounds)
		if err := s.holds(ctx, own, carillon.Position(updates), row("own", fmt.Sprint(updates), updates)); err != nil {
			return fmt.Errorf("updates are lost: %w", err)
		}
	}
	updates := int64(s.sizes.Racers * s.sizes.Rounds)
	if err := s.holds(ctx, model(), carillon.Position(updates), row("all", fmt.Sprint(updates), updates)); err != nil {
		return fmt.Errorf("%d updates, some are lost: %w", updates, err)
	}
	return nil
}

// checkCancelledUpdateRace cancels updates at any moment. What was answered with success counts, what was answered with the context's
// error does not, and row and checkpoint never part.
func checkCancelledUpdateRace(ctx context.Context, s *subject) error {
	var succeeded, unknown atomic.Int64
	racers, racersCtx := newGroup(ctx)
	for racer := range s.sizes.Racers {
		random := rand.New(rand.NewPCG(s.seed, uint64(racer)))
		racers.start(func() error {
			for range s.sizes.Rounds {
				err := s.cancelledSoon(racersCtx, random.IntN(300))
				switch {
				case err == nil:
					succeeded.Add(1)
				case errors.Is(err, carillon.ErrOutcomeUnknown):
					unknown.Add(1)
				case !isContextError(err):
					return fmt.Errorf("a cancelled update failed with %w, want its context's error or ErrOutcomeUnknown", err)
				}
			}
			return nil
		})
	}
	if err := racers.wait(); err != nil {
		return err
	}
	found, at, err := s.store.ReadModels().Row(ctx, model(), "all")
	if errors.Is(err, carillon.ErrNotFound) {
		found.Value, err = []byte("0"), nil
	}
	if err != nil {
		return err
	}
	least, most := succeeded.Load(), succeeded.Load()+unknown.Load()
	if string(found.Value) != fmt.Sprint(at) || int64(at) < least || int64(at) > most {
		return fmt.Errorf("%d updates succeeded and of %d nobody knows: the row counts %s, the checkpoint is %d", least, unknown.Load(), found.Value, at)
	}
	if err := s.update(ctx, model(), func(tx carillon.ReadModelTx) error { return count(tx, "all") }); err != nil {
		return fmt.Errorf("after cancelled updates: %w", err)
	}
	return nil
}

// cancelledSoon counts with a context that is cancelled in a while, at times by fn itself.
func (s *subject) cancelledSoon(ctx context.Context, yields int) error {
	interrupted, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range yields {
			runtime.Gosched()
		}
		cancel()
	}()
	err := s.update(interrupted, model(), func(tx carillon.ReadModelTx) error {
		if yields%4 == 0 {
			defer cancel()
		}
		return count(tx, "all")
	})
	<-done
	return err
}

// checkRowCheckpoint reads rows while they are updated: the checkpoint read with a row is the one it was written with.
func checkRowCheckpoint(ctx context.Context, s *subject) error {
	if err := s.put(ctx, model(), 1, row("a", "1", 1)); err != nil {
		return err
	}
	load, loadCtx := newGroup(ctx)
	var written atomic.Bool
	var reads atomic.Int64
	load.start(func() error {
		defer written.Store(true)
		for at := carillon.Position(2); at <= carillon.Position(10*s.sizes.Rounds) || reads.Load() < int64(10*s.sizes.Rounds); at++ {
			if err := s.put(loadCtx, model(), at, row("a", fmt.Sprint(at), int64(at))); err != nil {
				return err
			}
		}
		return nil
	})
	for range 4 {
		load.start(func() error {
			last := carillon.Position(0)
			for !written.Load() {
				found, at, err := s.store.ReadModels().Row(loadCtx, model(), "a")
				if err != nil {
					return err
				}
				if string(found.Value) != fmt.Sprint(at) || found.Version != int64(at) {
					return fmt.Errorf("the row of position %s was read as of position %d", found.Value, at)
				}
				if at < last {
					return fmt.Errorf("a row as of position %d was read after one as of position %d", at, last)
				}
				last = at
				reads.Add(1)
			}
			return nil
		})
	}
	return load.wait()
}
