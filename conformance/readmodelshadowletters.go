package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

func shadowLetterChecks() []check {
	return []check{
		{"shadow letters", checkShadowLetters},
		{"letters switched", checkLettersSwitched},
		{"letter switch race", checkLetterSwitchRace},
	}
}

// parkIn parks letters through an update of a model or shadow.
func (s *subject) parkIn(ctx context.Context, ref carillon.ModelRef, letters ...carillon.DeadLetter) error {
	if err := s.parkingIn(ctx, ref, func(tx carillon.ParkingTx) error { return tx.Park(letters) }); err != nil {
		return fmt.Errorf("park in %s: %w", describeModel(ref), err)
	}
	return nil
}

// checkShadowLetters parks through a shadow beside a live model that has letters: neither touches the other's, and the shadow's are not
// listed.
func checkShadowLetters(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	live := []carillon.DeadLetter{letter("k", 7, "live"), letter("k", 8, "live")}
	err := inOrder(
		func() error { return s.park(ctx, live...) },
		func() error { return s.letters().Retry(ctx, "orders", "k") },
		func() error {
			return s.parkIn(ctx, shadow(), letter("k", 7, "shadow"), letter("k", 9, "shadow"), letter("l", 3, "shadow"))
		},
	)
	if err != nil {
		return err
	}
	unchanged := func(moment string) error {
		err := errors.Join(
			s.parked(ctx, "k", live...),
			s.parked(ctx, "l"),
			s.keys(ctx, "orders", carillon.ParkedKey{Key: "k", Letters: 2, First: 7, Retry: true}),
		)
		if err != nil {
			return fmt.Errorf("the live model %s: %w", moment, err)
		}
		return nil
	}
	if err := unchanged("after the shadow parked"); err != nil {
		return err
	}
	for what, err := range map[string]error{
		"retry": s.letters().Retry(ctx, "orders", "l"), "discard": s.letters().Discard(ctx, "orders", "l", 3),
	} {
		if !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("%s of a key that is parked in the shadow alone: error %w, want ErrNotFound", what, errOrNil(err))
		}
	}
	err = s.parkingIn(ctx, shadow(), func(tx carillon.ParkingTx) error {
		if err := tx.Unpark("k", 8); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("unpark a letter that the live model alone has: error %w, want ErrNotFound", errOrNil(err))
		}
		return errors.Join(tx.Unpark("k", 7), tx.Unpark("k", 9), tx.Tried("k"))
	})
	if err != nil {
		return fmt.Errorf("unpark in the shadow: %w", err)
	}
	if err := unchanged("after the shadow unparked the key"); err != nil {
		return err
	}
	if err := s.update(ctx, shadow(), carillon.ReadModelTx.Clear); err != nil {
		return fmt.Errorf("clear the shadow: %w", err)
	}
	if err := unchanged("after the shadow was cleared"); err != nil {
		return err
	}
	// What was cleared does not come back with a switch.
	if err := errors.Join(s.put(ctx, shadow(), 9, row("a", "1", 1)), s.store.ReadModels().Switch(ctx, "orders")); err != nil {
		return err
	}
	if err := errors.Join(s.keys(ctx, "orders"), s.parked(ctx, "k"), s.parked(ctx, "l")); err != nil {
		return fmt.Errorf("after a switch to a shadow without letters: %w", err)
	}
	return nil
}

// checkLettersSwitched switches a model whose shadow has letters, too: afterwards those are the letters, and nobody has asked for them.
func checkLettersSwitched(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	other, otherShadow := letter("k", 7, "another's"), carillon.ModelRef{Name: "mails", Shadow: true}
	other.Consumer = "mails"
	hidden := other
	hidden.Position = 1
	rebuilt := []carillon.DeadLetter{letter("k", 8, "rebuilt"), letter("k", 200, "rebuilt")}
	err := inOrder(
		func() error { return s.put(ctx, model(), 9, row("a", "live", 1)) },
		func() error {
			return s.park(ctx, letter("k", 7, "live"), letter("k", 8, "live"), letter("l", 9, "live"))
		},
		func() error { return s.park(ctx, other) },
		func() error { return s.parkIn(ctx, otherShadow, hidden) },
		func() error { return s.parkIn(ctx, shadow(), append(rebuilt, letter("m", 3, "handled"))...) },
		func() error {
			return s.parkingIn(ctx, shadow(), func(tx carillon.ParkingTx) error { return tx.Unpark("m", 3) })
		},
		func() error { return s.park(ctx, letter("l", 10, "parked beside the rebuild")) },
		func() error {
			return errors.Join(s.letters().Retry(ctx, "orders", "k"), s.letters().Retry(ctx, "orders", "l"), s.letters().Retry(ctx, "mails", "k"))
		},
	)
	if err != nil {
		return err
	}
	models := s.store.ReadModels()
	if err := models.Switch(ctx, "orders"); !errors.Is(err, carillon.ErrConflict) {
		return fmt.Errorf("switch to a shadow that is behind: error %w, want ErrConflict", errOrNil(err))
	}
	err = errors.Join(
		s.keys(ctx, "orders",
			carillon.ParkedKey{Key: "k", Letters: 2, First: 7, Retry: true}, carillon.ParkedKey{Key: "l", Letters: 2, First: 9, Retry: true}),
		s.parked(ctx, "k", letter("k", 7, "live"), letter("k", 8, "live")),
	)
	if err != nil {
		return fmt.Errorf("after a switch that was refused: %w", err)
	}
	if err := s.put(ctx, shadow(), 9, row("a", "rebuilt", 1)); err != nil {
		return err
	}
	if err := models.Switch(ctx, "orders"); err != nil {
		return fmt.Errorf("switch: %w", err)
	}
	err = errors.Join(
		s.keys(ctx, "orders", carillon.ParkedKey{Key: "k", Letters: 2, First: 8}),
		s.parked(ctx, "k", rebuilt...), s.parked(ctx, "l"), s.parked(ctx, "m"),
		s.keys(ctx, "mails", carillon.ParkedKey{Key: "k", Letters: 1, First: 7, Retry: true}), s.parkedFor(ctx, "mails", "k", other),
	)
	if err != nil {
		return fmt.Errorf("after a switch: %w", err)
	}
	// The letters are the live model's in every way: a key that is parked again was not asked for, and the next switch drops them.
	err = inOrder(
		func() error { return s.park(ctx, letter("l", 11, "again")) },
		func() error { return s.letters().Retry(ctx, "orders", "k") },
		func() error { return s.letters().Discard(ctx, "orders", "k", 8) },
		func() error {
			return s.keys(ctx, "orders", carillon.ParkedKey{Key: "k", Letters: 1, First: 200, Retry: true}, carillon.ParkedKey{Key: "l", Letters: 1, First: 11})
		},
		func() error { return s.put(ctx, shadow(), 10, row("a", "once more", 1)) },
		func() error { return models.Switch(ctx, "orders") },
		func() error { return s.keys(ctx, "orders") },
	)
	if err != nil {
		return fmt.Errorf("the letters after a switch: %w", err)
	}
	return nil
}

// checkLetterSwitchRace rebuilds and switches a model with one letter while others read both: a letter and a row that are read one after
// the other are of one model, or the second is of a later one.
func checkLetterSwitchRace(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	build := func(ctx context.Context, ref carillon.ModelRef, n carillon.Position) error {
		return s.update(ctx, ref, func(tx carillon.ReadModelTx) error {
			return errors.Join(putRows(tx, n, row("a", fmt.Sprint(n), int64(n))), tx.(carillon.ParkingTx).Park([]carillon.DeadLetter{letter("k", n, "cause")}))
		})
	}
	if err := build(ctx, model(), 1); err != nil {
		return err
	}
	models := s.store.ReadModels()
	load, loadCtx := newGroup(ctx)
	var ended atomic.Bool
	var seen atomic.Int64 // generations
	load.start(func() error {
		defer ended.Store(true)
		for n := carillon.Position(2); n <= carillon.Position(2*s.sizes.Rounds+1) || seen.Load() < int64(s.sizes.Rounds); n++ {
			if err := build(loadCtx, shadow(), n); err != nil {
				return err
			}
			if err := models.Switch(loadCtx, "orders"); err != nil {
				return fmt.Errorf("switch: %w", err)
			}
		}
		return nil
	})
	load.start(func() error {
		last := carillon.Position(0)
		for !ended.Load() {
			_, at, err := models.Row(loadCtx, model(), "a")
			if err != nil {
				return fmt.Errorf("a read beside a switch: %w", err)
			}
			letters, err := s.letters().Letters(loadCtx, "orders", "k", 0, 2)
			if err != nil || len(letters) != 1 {
				return fmt.Errorf("letters read beside a switch: %s, error %w, want one", describeLetters(letters), errOrNil(err))
			}
			if at < last || letters[0].Position < at {
				return fmt.Errorf("the letter of generation %d, the row of generation %d, and the letter of generation %d were read in this order",
					last, at, letters[0].Position)
			}
			if letters[0].Position > last {
				seen.Add(1)
			}
			last = letters[0].Position
		}
		return nil
	})
	return load.wait()
}
