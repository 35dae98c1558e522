package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// checkReplace replaces letters that are there and that are gone, of other consumers and keys too.
func checkReplace(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	other := letter("k", 7, "another's")
	other.Consumer = "mails"
	if err := errors.Join(s.park(ctx, letter("k", 7, "1"), letter("k", 8, "2"), letter("l", 7, "3")), s.park(ctx, other)); err != nil {
		return err
	}
	if err := s.letters().Retry(ctx, "orders", "k"); err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	again := letter("k", 7, "again")
	again.Attempts, again.Stack, again.Last = 50, "", again.Last.Add(time.Hour)
	waits := carillon.DeadLetter{Consumer: "orders", Key: "k", Position: 8}
	err := s.parking(ctx, "orders", func(tx carillon.ParkingTx) error {
		for _, gone := range []carillon.DeadLetter{letter("k", 9, "gone"), letter("m", 7, "gone"), letter("l", 8, "gone")} {
			if err := tx.Replace(gone); !errors.Is(err, carillon.ErrNotFound) {
				return fmt.Errorf("replace position %d of key %q, where no letter is: error %w, want ErrNotFound", gone.Position, gone.Key, errOrNil(err))
			}
		}
		if err := errors.Join(tx.Replace(again), tx.Replace(waits), tx.Unpark("l", 7)); err != nil {
			return fmt.Errorf("replace: %w", err)
		}
		if err := tx.Replace(letter("l", 7, "unparked")); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("replace what this transaction has unparked: error %w, want ErrNotFound", errOrNil(err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(
		s.parked(ctx, "k", again, waits), s.parked(ctx, "l"), s.parkedFor(ctx, "mails", "k", other),
		s.keys(ctx, "orders", carillon.ParkedKey{Key: "k", Letters: 2, First: 7, Retry: true}),
	)
}

// checkReplaceRace has somebody discard the first letter of a key as a try of it fails: whichever comes first, also where one waits for the
// other, the letter does not come back, and the one behind it stays.
func checkReplaceRace(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	if err := s.park(ctx, letter("k", 100, "behind")); err != nil {
		return err
	}
	for round := range s.sizes.Rounds {
		at := carillon.Position(7 + round%2)
		if err := s.park(ctx, letter("k", at, "failed")); err != nil {
			return err
		}
		racers, racersCtx := newGroup(ctx)
		discarded := make(chan struct{})
		racers.start(func() error {
			if round%4 == 0 {
				<-discarded
			}
			err := s.parking(racersCtx, "orders", func(tx carillon.ParkingTx) error {
				return errors.Join(tx.Replace(letter("k", at, "failed again")), tx.Tried("k"))
			})
			if err != nil && !errors.Is(err, carillon.ErrNotFound) {
				return fmt.Errorf("a try beside a discard: %w, want success or ErrNotFound", err)
			}
			return nil
		})
		racers.start(func() error {
			defer close(discarded)
			if err := s.letters().Discard(racersCtx, "orders", "k", at); err != nil {
				return fmt.Errorf("a discard beside a try: %w", err)
			}
			return nil
		})
		if err := racers.wait(); err != nil {
			return err
		}
		if err := s.parked(ctx, "k", letter("k", 100, "behind")); err != nil {
			return fmt.Errorf("a letter was discarded beside a try: %w", err)
		}
	}
	return nil
}

// checkLettersCleared clears a model that has letters, and beside it one of another name and a shadow: its own go with its rows, and what
// the transaction parks afterwards stays.
func checkLettersCleared(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	other := letter("k", 7, "another's")
	other.Consumer = "mails"
	err := inOrder(
		func() error { return s.park(ctx, letter("k", 7, "1"), letter("l", 8, "2"), letter("m", 9, "3")) },
		func() error { return s.park(ctx, other) },
		func() error { return s.parkIn(ctx, shadow(), letter("k", 5, "the shadow's")) },
		func() error {
			return errors.Join(s.letters().Retry(ctx, "orders", "k"), s.letters().Retry(ctx, "orders", "l"), s.letters().Retry(ctx, "mails", "k"))
		},
		func() error {
			return s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
				if err := tx.Clear(); err != nil {
					return err
				}
				parking := tx.(carillon.ParkingTx)
				if err := parking.Unpark("m", 9); !errors.Is(err, carillon.ErrNotFound) {
					return fmt.Errorf("unpark behind a clear: error %w, want ErrNotFound", errOrNil(err))
				}
				if err := parking.Replace(letter("m", 9, "back")); !errors.Is(err, carillon.ErrNotFound) {
					return fmt.Errorf("replace behind a clear: error %w, want ErrNotFound", errOrNil(err))
				}
				return parking.Park([]carillon.DeadLetter{letter("l", 8, "again")})
			})
		},
		func() error {
			return errors.Join(
				s.keys(ctx, "orders", carillon.ParkedKey{Key: "l", Letters: 1, First: 8}),
				s.parked(ctx, "k"), s.parked(ctx, "l", letter("l", 8, "again")),
				s.keys(ctx, "mails", carillon.ParkedKey{Key: "k", Letters: 1, First: 7, Retry: true}),
			)
		},
		func() error { return s.update(ctx, model(), carillon.ReadModelTx.Clear) },
		func() error { return s.keys(ctx, "orders") },
		func() error {
			return errors.Join(s.put(ctx, shadow(), 9, row("a", "1", 1)), s.store.ReadModels().Switch(ctx, "orders"))
		},
		func() error { return s.parked(ctx, "k", letter("k", 5, "the shadow's")) },
	)
	if err != nil {
		return fmt.Errorf("letters of a model that is cleared: %w", err)
	}
	return nil
}
