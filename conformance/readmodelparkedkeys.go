package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

func parkedKeyChecks() []check {
	return []check{
		{"unpark", checkUnpark},
		{"retry", checkRetry},
		{"discard", checkDiscard},
		{"discard race", checkDiscardRace},
		{"replace", checkReplace},
		{"replace race", checkReplaceRace},
		{"letters cleared", checkLettersCleared},
	}
}

// checkUnpark removes letters one by one: the key goes with its last.
func checkUnpark(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	other := letter("k", 7, "another's")
	other.Consumer = "mails"
	if err := errors.Join(s.park(ctx, letter("k", 7, "1"), letter("k", 8, "2"), letter("l", 7, "3")), s.park(ctx, other)); err != nil {
		return err
	}
	unpark := func(key string, position carillon.Position) error {
		return s.parking(ctx, "orders", func(tx carillon.ParkingTx) error { return tx.Unpark(key, position) })
	}
	gone := func(key string, position carillon.Position) error {
		if err := unpark(key, position); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("unpark position %d of key %q, which has no such letter: error %w, want ErrNotFound", position, key, errOrNil(err))
		}
		return nil
	}
	err := inOrder(
		func() error { return unpark("k", 7) },
		func() error { return s.parked(ctx, "k", letter("k", 8, "2")) },
		func() error {
			return s.keys(ctx, "orders", carillon.ParkedKey{Key: "k", Letters: 1, First: 8}, carillon.ParkedKey{Key: "l", Letters: 1, First: 7})
		},
		func() error { return gone("k", 7) }, // once more
		func() error { return gone("k", 9) },
		func() error { return gone("nobody's", 7) },
		func() error { return unpark("k", 8) },
		func() error { return s.parked(ctx, "k") },
		func() error { return s.keys(ctx, "orders", carillon.ParkedKey{Key: "l", Letters: 1, First: 7}) },
		func() error { return s.parkedFor(ctx, "mails", "k", other) },
		func() error { return s.keys(ctx, "mails", carillon.ParkedKey{Key: "k", Letters: 1, First: 7}) },
	)
	if err != nil {
		return err
	}
	// Within one transaction the last word counts.
	err = s.parking(ctx, "orders", func(tx carillon.ParkingTx) error {
		return inOrder(
			func() error { return tx.Unpark("l", 7) },
			func() error { return tx.Park([]carillon.DeadLetter{letter("l", 7, "again"), letter("m", 1, "gone")}) },
			func() error { return tx.Unpark("m", 1) },
			func() error {
				if err := tx.Unpark("m", 1); !errors.Is(err, carillon.ErrNotFound) {
					return fmt.Errorf("unpark what this transaction has unparked: error %w, want ErrNotFound", errOrNil(err))
				}
				return nil
			},
		)
	})
	if err != nil {
		return err
	}
	return errors.Join(s.parked(ctx, "l", letter("l", 7, "again")), s.keys(ctx, "orders", carillon.ParkedKey{Key: "l", Letters: 1, First: 7}))
}

// checkRetry asks for tries. What was asked for is over when the consumer has tried, or the key is no longer parked.
func checkRetry(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	other := letter("k", 7, "another's")
	other.Consumer = "mails"
	if err := errors.Join(s.park(ctx, letter("k", 7, "1"), letter("k", 8, "2"), letter("l", 9, "3")), s.park(ctx, other)); err != nil {
		return err
	}
	retry := func(consumer, key string) error {
		if err := s.letters().Retry(ctx, consumer, key); err != nil {
			return fmt.Errorf("retry of key %q: %w", key, err)
		}
		return nil
	}
	tried := func(key string) error {
		return s.parking(ctx, "orders", func(tx carillon.ParkingTx) error { return tx.Tried(key) })
	}
	asked := func(moment string, k, l bool) error {
		err := errors.Join(
			s.keys(ctx, "orders", carillon.ParkedKey{Key: "k", Letters: 2, First: 7, Retry: k}, carillon.ParkedKey{Key: "l", Letters: 1, First: 9, Retry: l}),
			s.keys(ctx, "mails", carillon.ParkedKey{Key: "k", Letters: 1, First: 7}),
		)
		if err != nil {
			return fmt.Errorf("%s: %w", moment, err)
		}
		return nil
	}
	for _, unknown := range []struct{ consumer, key string }{{"orders", "nobody's"}, {"nobody", "k"}, {"mails", "l"}} {
		if err := s.letters().Retry(ctx, unknown.consumer, unknown.key); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("retry of key %q of %q, which is not parked: error %w, want ErrNotFound", unknown.key, unknown.consumer, errOrNil(err))
		}
	}
	return inOrder(
		func() error { return asked("before anybody asked", false, false) },
		func() error { return retry("orders", "k") },
		func() error { return asked("after a retry", true, false) },
		func() error { return retry("orders", "k") },
		func() error { return retry("orders", "l") },
		func() error { return asked("after a second retry", true, true) },
		func() error { return s.park(ctx, letter("k", 7, "1")) },
		func() error { return asked("after a letter was replaced", true, true) },
		func() error { return tried("k") },
		func() error { return asked("after k was tried", false, true) },
		func() error { return tried("k") },
		func() error { return tried("nobody's") },
		func() error { return retry("orders", "k") },
		func() error { return asked("after another retry", true, true) },
		// A key that is released and parked again is another matter.
		func() error {
			return s.parking(ctx, "orders", func(tx carillon.ParkingTx) error { return errors.Join(tx.Unpark("k", 7), tx.Unpark("k", 8)) })
		},
		func() error { return s.letters().Discard(ctx, "orders", "l", 9) },
		func() error { return s.park(ctx, letter("k", 7, "1"), letter("k", 8, "2"), letter("l", 9, "3")) },
		func() error { return asked("after the keys were released and parked again", false, false) },
	)
}

// checkDiscard drops letters: the first of a key and no other.
func checkDiscard(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	other := letter("k", 7, "another's")
	other.Consumer = "mails"
	letters := []carillon.DeadLetter{letter("k", 7, "1"), letter("k", 8, "2"), letter("k", 20, "3")}
	if err := errors.Join(s.park(ctx, letters...), s.park(ctx, letter("l", 8, "4")), s.park(ctx, other)); err != nil {
		return err
	}
	discard := s.letters().Discard
	for i, first := range letters {
		for _, position := range []carillon.Position{0, 6, 8, 9, 20, 21} {
			if position == first.Position {
				continue
			}
			if err := discard(ctx, "orders", "k", position); !errors.Is(err, carillon.ErrConflict) {
				return fmt.Errorf("discard of position %d, while %d is the first: error %w, want ErrConflict", position, first.Position, errOrNil(err))
			}
		}
		if err := s.parked(ctx, "k", letters[i:]...); err != nil {
			return fmt.Errorf("after discards that were refused: %w", err)
		}
		if err := discard(ctx, "orders", "k", first.Position); err != nil {
			return fmt.Errorf("discard the first letter: %w", err)
		}
		if err := s.parked(ctx, "k", letters[i+1:]...); err != nil {
			return fmt.Errorf("after the first was discarded: %w", err)
		}
	}
	for _, unknown := range []struct{ consumer, key string }{{"orders", "k"}, {"nobody", "k"}, {"mails", "l"}} {
		if err := discard(ctx, unknown.consumer, unknown.key, 8); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("discard of a letter of key %q of %q, which is not parked: error %w, want ErrNotFound", unknown.key, unknown.consumer, errOrNil(err))
		}
	}
	return errors.Join(
		s.keys(ctx, "orders", carillon.ParkedKey{Key: "l", Letters: 1, First: 8}),
		s.parked(ctx, "l", letter("l", 8, "4")),
		s.parkedFor(ctx, "mails", "k", other),
	)
}

// checkDiscardRace has many discard the same letter: one of them does, and the next letter stays.
func checkDiscardRace(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	letters := make([]carillon.DeadLetter, s.sizes.Rounds+1)
	for i := range letters {
		letters[i] = letter("k", carillon.Position(10+i), "race")
	}
	if err := s.park(ctx, letters...); err != nil {
		return err
	}
	for round := range s.sizes.Rounds {
		var discarded atomic.Int64
		racers, racersCtx := newGroup(ctx)
		for range s.sizes.Racers {
			racers.start(func() error {
				err := s.letters().Discard(racersCtx, "orders", "k", letters[round].Position)
				if err == nil {
					discarded.Add(1)
				} else if !errors.Is(err, carillon.ErrConflict) {
					return fmt.Errorf("one of many discards of a letter: %w, want success or ErrConflict", err)
				}
				return nil
			})
		}
		if err := racers.wait(); err != nil {
			return err
		}
		if discarded.Load() != 1 {
			return fmt.Errorf("%d discards of one letter succeeded, want 1", discarded.Load())
		}
		if err := s.parked(ctx, "k", letters[round+1:]...); err != nil {
			return fmt.Errorf("after many discards of one letter: %w", err)
		}
	}
	return nil
}
