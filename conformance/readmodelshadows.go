package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

func shadowChecks() []check {
	return []check{
		{"shadow", checkShadow},
		{"switch", checkSwitch},
		{"switch race", checkSwitchRace},
	}
}

func shadow() carillon.ModelRef { return carillon.ModelRef{Name: "orders", Shadow: true} }

// checkShadow fills and clears a shadow beside a live model: neither touches the other.
func checkShadow(ctx context.Context, s *subject) error {
	live := []carillon.Row{row("a", "live", 1), row("b", "live", 1)}
	if err := errors.Join(s.put(ctx, model(), 8, live...), s.put(ctx, shadow(), 3, row("a", "shadow", 2), row("c", "shadow", 2))); err != nil {
		return err
	}
	if err := errors.Join(s.holds(ctx, model(), 8, live...), s.missing(ctx, model(), "c")); err != nil {
		return err
	}
	if err := errors.Join(s.holds(ctx, shadow(), 3, row("a", "shadow", 2), row("c", "shadow", 2)), s.missing(ctx, shadow(), "b")); err != nil {
		return err
	}
	if err := s.update(ctx, shadow(), carillon.ReadModelTx.Clear); err != nil {
		return fmt.Errorf("clear the shadow: %w", err)
	}
	if err := errors.Join(s.holds(ctx, shadow(), 0), s.holds(ctx, model(), 8, live...)); err != nil {
		return fmt.Errorf("after the shadow was cleared: %w", err)
	}
	if err := s.put(ctx, shadow(), 4, row("a", "again", 3)); err != nil {
		return err
	}
	if err := s.update(ctx, model(), carillon.ReadModelTx.Clear); err != nil {
		return fmt.Errorf("clear the live model: %w", err)
	}
	if err := errors.Join(s.holds(ctx, shadow(), 4, row("a", "again", 3)), s.holds(ctx, model(), 0)); err != nil {
		return fmt.Errorf("after the live model was cleared: %w", err)
	}
	return nil
}

// checkSwitch switches shadows of models that are there and of such that are not.
func checkSwitch(ctx context.Context, s *subject) error {
	other := carillon.ModelRef{Name: "other"}
	if err := errors.Join(s.put(ctx, model(), 8, row("a", "live", 1), row("b", "live", 1)), s.put(ctx, other, 2, row("a", "other", 1))); err != nil {
		return err
	}
	models := s.store.ReadModels()
	for _, name := range []string{"orders", "nobody"} {
		if err := models.Switch(ctx, name); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("switch of %q, which has no shadow: error %w, want ErrNotFound", name, errOrNil(err))
		}
	}
	if err := s.holds(ctx, model(), 8, row("a", "live", 1), row("b", "live", 1)); err != nil {
		return fmt.Errorf("after a switch that was refused: %w", err)
	}
	for round := range carillon.Position(3) {
		rebuilt := []carillon.Row{row("b", fmt.Sprint("round ", round), 2), row("c", fmt.Sprint("round ", round), 2)}
		if err := s.put(ctx, shadow(), 9+round, rebuilt...); err != nil {
			return err
		}
		if err := models.Switch(ctx, "orders"); err != nil {
			return fmt.Errorf("switch: %w", err)
		}
		err := errors.Join(
			s.holds(ctx, model(), 9+round, rebuilt...),
			s.missing(ctx, model(), "a"),
			s.holds(ctx, shadow(), 0),
			s.missing(ctx, shadow(), "b"),
			s.lists(ctx,
				carillon.ModelInfo{Name: "orders", Checkpoint: 9 + round, Rows: 2, Shadow: -1},
				carillon.ModelInfo{Name: "other", Checkpoint: 2, Rows: 1, Shadow: -1}),
		)
		if err != nil {
			return fmt.Errorf("after a switch: %w", err)
		}
		if err := models.Switch(ctx, "orders"); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("the same switch again: error %w, want ErrNotFound", errOrNil(err))
		}
	}
	// A shadow that is behind must not take the live model back.
	if err := s.put(ctx, shadow(), 10, row("z", "behind", 1)); err != nil {
		return err
	}
	if err := models.Switch(ctx, "orders"); !errors.Is(err, carillon.ErrConflict) {
		return fmt.Errorf("switch to a shadow at position 10 from a model at 11: error %w, want ErrConflict", errOrNil(err))
	}
	if err := errors.Join(s.missing(ctx, model(), "z"), s.holds(ctx, shadow(), 10, row("z", "behind", 1))); err != nil {
		return fmt.Errorf("after a switch that was refused: %w", err)
	}
	// A shadow without a live model becomes one; so does one without rows.
	first := carillon.ModelRef{Name: "first", Shadow: true}
	if err := s.put(ctx, first, 1); err != nil {
		return err
	}
	if err := models.Switch(ctx, "first"); err != nil {
		return fmt.Errorf("switch of a model that has a shadow alone: %w", err)
	}
	return errors.Join(s.put(ctx, carillon.ModelRef{Name: "first"}, 2, row("a", "1", 1)), s.holds(ctx, other, 2, row("a", "other", 1)))
}

// checkSwitchRace rebuilds and switches a model while others read it: each of them sees the model before a switch or after, whole.
func checkSwitchRace(ctx context.Context, s *subject) error {
	const rows = 5
	generation := func(n carillon.Position) []carillon.Row {
		all := make([]carillon.Row, rows)
		for i := range all {
			all[i] = row(fmt.Sprintf("key-%d", i), fmt.Sprint(n), int64(n))
		}
		return all
	}
	if err := s.put(ctx, model(), 1, generation(1)...); err != nil {
		return err
	}
	models := s.store.ReadModels()
	load, loadCtx := newGroup(ctx)
	var ended atomic.Bool
	reads := make([]atomic.Int64, 3) // of each reader
	behind := func() bool {
		return slices.ContainsFunc([]int{0, 1, 2}, func(i int) bool { return reads[i].Load() < int64(2*s.sizes.Rounds) })
	}
	load.start(func() error {
		defer ended.Store(true)
		for n := carillon.Position(2); n <= carillon.Position(2*s.sizes.Rounds+1) || behind(); n++ {
			if err := s.put(loadCtx, shadow(), n, generation(n)...); err != nil {
				return err
			}
			if err := models.Switch(loadCtx, "orders"); err != nil {
				return fmt.Errorf("switch: %w", err)
			}
		}
		return nil
	})
	readers := []func() (carillon.Position, error){
		func() (carillon.Position, error) {
			found, at, err := models.Row(loadCtx, model(), "key-0")
			if err == nil && found.Version != int64(at) {
				err = fmt.Errorf("the row of generation %d was read with the checkpoint of generation %d", found.Version, at)
			}
			return at, err
		},
		func() (carillon.Position, error) {
			found, err := models.Rows(loadCtx, model(), "", rows+1)
			if err != nil || len(found) == 0 {
				return 0, errors.Join(err, fmt.Errorf("%d rows", len(found)))
			}
			at := carillon.Position(found[0].Version)
			return at, sameRows(found, generation(at))
		},
		func() (carillon.Position, error) {
			infos, err := models.Models(loadCtx)
			if err == nil && (len(infos) != 1 || infos[0].Rows != rows) {
				err = fmt.Errorf("models %+v, want one with %d rows", infos, rows)
			}
			if err != nil {
				return 0, err
			}
			return infos[0].Checkpoint, nil
		},
	}
	for i, read := range readers {
		load.start(func() error {
			last := carillon.Position(0)
			for !ended.Load() {
				at, err := read()
				if err != nil {
					return fmt.Errorf("a read beside a switch: %w", err)
				}
				if at < last {
					return fmt.Errorf("generation %d was read after generation %d", at, last)
				}
				last = at
				reads[i].Add(1)
			}
			return nil
		})
	}
	return load.wait()
}
