package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
)

func fenceChecks() []check {
	return []check{
		{"fence", checkFence},
		{"fence under way", checkFenceUnderWay},
		{"fence race", checkFenceRace},
	}
}

// fence fences a transaction.
func fence(tx carillon.ReadModelTx, lease carillon.Lease) error {
	fenced, ok := tx.(carillon.FencedTx)
	if !ok {
		return errors.New("the store has leases, and its transactions are no carillon.FencedTx")
	}
	return fenced.Fence(lease)
}

// checkFence fences updates with leases that are held, have run out, and were lost.
func checkFence(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	lease, err := claims(ctx, leases, "model/1", "ann", short, 0)
	if err != nil {
		return err
	}
	fenced := func(lease carillon.Lease, checkpoint carillon.Position, value string) error {
		return s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
			if err := fence(tx, lease); err != nil {
				return err
			}
			return putRows(tx, checkpoint, row("a", value, 1))
		})
	}
	if err := fenced(lease, 1, "held"); err != nil {
		return fmt.Errorf("an update fenced with a lease that is held: %w", err)
	}
	if err := runOut(ctx, leases, lease.Name); err != nil {
		return err
	}
	if err := fenced(lease, 2, "run out"); err != nil {
		return fmt.Errorf("an update fenced with a lease that nobody else has claimed: %w", err)
	}
	present, err := claims(ctx, leases, "model/1", "bob", long, lease.Epoch)
	if err != nil {
		return err
	}
	for _, lost := range []carillon.Lease{
		lease,
		{Name: "model/1", Holder: "bob", Epoch: lease.Epoch},
		{Name: "model/1", Holder: "bob", Epoch: present.Epoch + 1},
		{Name: "nobody's", Holder: "bob", Epoch: 1},
	} {
		if err := fenced(lost, 3, "lost"); !errors.Is(err, carillon.ErrLeaseLost) {
			return fmt.Errorf("an update fenced with %+v, while %+v is held: error %w, want ErrLeaseLost", lost, present, errOrNil(err))
		}
		// The transaction fails, also when fn goes on, and when it wrote before.
		err := s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
			err := putRows(tx, 3, row("a", "lost", 1))
			_ = fence(tx, lost) // on purpose
			return errors.Join(err, tx.Advance(4))
		})
		if !errors.Is(err, carillon.ErrLeaseLost) {
			return fmt.Errorf("an update that overlooks that its lease is lost: error %w, want ErrLeaseLost", errOrNil(err))
		}
		if err := s.holds(ctx, model(), 2, row("a", "run out", 1)); err != nil {
			return fmt.Errorf("an update fenced with a lost lease wrote: %w", err)
		}
	}
	if err := fenced(present, 5, "present"); err != nil {
		return fmt.Errorf("an update fenced with the present lease: %w", err)
	}
	return s.holds(ctx, model(), 5, row("a", "present", 1))
}

// checkFenceUnderWay has another claim the lease while a fenced transaction is under way: the claim waits, or the transaction fails.
func checkFenceUnderWay(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	checkpoint := carillon.Position(0)
	for round := range 3 {
		name := fmt.Sprint("model/", round)
		lease, err := claims(ctx, leases, name, "ann", time.Millisecond, 0)
		if err != nil {
			return err
		}
		if err := runOut(ctx, leases, name); err != nil {
			return err
		}
		type answer struct {
			lease carillon.Lease
			err   error
		}
		answered, asked := make(chan answer, 1), false
		var overtaken bool
		updating := s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
			if err := fence(tx, lease); err != nil {
				return err
			}
			asked = true
			go func() {
				claimed, err := leases.Claim(ctx, name, "bob", long)
				answered <- answer{claimed, err}
			}()
			select {
			case claimed := <-answered:
				overtaken = claimed.err == nil
				answered <- claimed
			case <-time.After(short):
			}
			return putRows(tx, checkpoint+1, row("a", fmt.Sprint(checkpoint+1), 1))
		})
		if !asked {
			return fmt.Errorf("an update fenced with a lease that ran out: %w", errOrNil(updating))
		}
		claimed := <-answered
		if claimed.err != nil && !errors.Is(claimed.err, carillon.ErrLeaseHeld) {
			return fmt.Errorf("a claim beside a fenced transaction: %w", claimed.err)
		}
		switch {
		case updating == nil && overtaken:
			return fmt.Errorf("lease %+v was given to another as %+v, and a transaction fenced with it committed afterwards", lease, claimed.lease)
		case updating == nil:
			checkpoint++
		case !errors.Is(updating, carillon.ErrLeaseLost):
			return fmt.Errorf("an update whose lease is claimed meanwhile: %w, want success or ErrLeaseLost", updating)
		}
		if checkpoint > 0 {
			if err := s.holds(ctx, model(), checkpoint, row("a", fmt.Sprint(checkpoint), 1)); err != nil {
				return err
			}
		}
		if _, err := claims(ctx, leases, name, "bob", long, lease.Epoch); err != nil {
			return fmt.Errorf("after the fenced transaction: %w", err)
		}
	}
	return nil
}

// checkFenceRace has many claim a lease that runs out at once, and write with it, while another claims it whenever a fence has held:
// none commits after its lease was given to another.
func checkFenceRace(ctx context.Context, s *subject) error {
	leases, err := s.leases()
	if err != nil {
		return err
	}
	var given, committed atomic.Int64 // the latest epoch known to be given; how many committed
	fences := make(chan struct{}, s.sizes.Racers)
	thief, thiefCtx := newGroup(ctx)
	thief.start(func() error {
		for range fences {
			if lease, err := leases.Claim(thiefCtx, "model/1", "thief", time.Microsecond); err == nil {
				raise(&given, lease.Epoch)
			} else if !errors.Is(err, carillon.ErrLeaseHeld) {
				return fmt.Errorf("a claim beside a fenced update: %w", err)
			}
		}
		return nil
	})
	racers, racersCtx := newGroup(ctx)
	for racer := range min(s.sizes.Racers, 8) {
		holder, random := fmt.Sprint("racer-", racer), rand.New(rand.NewPCG(s.seed, uint64(racer)))
		racers.start(func() error {
			for range s.sizes.Rounds {
				lease, err := leases.Claim(racersCtx, "model/1", holder, time.Microsecond)
				if errors.Is(err, carillon.ErrLeaseHeld) {
					continue
				}
				if err != nil {
					return fmt.Errorf("one of many claims: %w", err)
				}
				raise(&given, lease.Epoch)
				for range random.IntN(100) {
					runtime.Gosched()
				}
				var latest int64
				err = s.update(racersCtx, model(), func(tx carillon.ReadModelTx) error {
					if err := fence(tx, lease); err != nil {
						return err
					}
					select {
					case fences <- struct{}{}:
					default:
					}
					for range 200 {
						runtime.Gosched()
					}
					err := putRows(tx, carillon.Position(lease.Epoch), row("a", fmt.Sprint(lease.Epoch), lease.Epoch))
					latest = given.Load()
					return err
				})
				switch {
				case err == nil && latest > lease.Epoch:
					return fmt.Errorf("epoch %d was given to another, and a transaction fenced with epoch %d committed afterwards", latest, lease.Epoch)
				case err == nil:
					committed.Add(1)
				case !errors.Is(err, carillon.ErrLeaseLost):
					return fmt.Errorf("one of many fenced updates: %w", err)
				}
			}
			return nil
		})
	}
	err = racers.wait()
	close(fences)
	if err := errors.Join(err, thief.wait()); err != nil {
		return err
	}
	if committed.Load() == 0 {
		return errors.New("none of many fenced updates succeeded")
	}
	return nil
}

// raise makes a number at least as large as another.
func raise(number *atomic.Int64, least int64) {
	for {
		present := number.Load()
		if present >= least || number.CompareAndSwap(present, least) {
			return
		}
	}
}
