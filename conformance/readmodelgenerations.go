package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/carillon-go/carillon"
)

// checkGenerations switches a model, also where it stands: each switch brings a generation that was never there, and nothing else does.
func checkGenerations(ctx context.Context, s *subject) error {
	if _, ok := s.store.(carillon.LeaseStore); !ok {
		return skip("the store has no leases: nobody else could switch")
	}
	generation := func(segment int, fn func(tx carillon.ReadModelTx) error) (found int64, err error) {
		ref := model()
		ref.Segment = segment
		err = s.update(ctx, ref, func(tx carillon.ReadModelTx) error {
			fenced, ok := tx.(carillon.FencedTx)
			if !ok {
				return errors.New("the store has leases, and its transactions are no carillon.FencedTx")
			}
			found = fenced.Generation()
			return fn(tx)
		})
		return found, err
	}
	var before []int64
	for n := range carillon.Position(6) {
		at := 9 + n/2 // every other switch leaves the checkpoint where it is
		present := int64(0)
		for i, step := range []struct {
			segment int
			fn      func(tx carillon.ReadModelTx) error
		}{
			{0, func(carillon.ReadModelTx) error { return nil }},
			{1, func(tx carillon.ReadModelTx) error { return putRows(tx, at, row("a", "live", 1)) }},
			{0, carillon.ReadModelTx.Clear},
			{0, func(tx carillon.ReadModelTx) error { return putRows(tx, at, row("a", "live again", 1)) }},
			{0, func(carillon.ReadModelTx) error { return nil }},
		} {
			found, err := generation(step.segment, step.fn)
			if err != nil {
				return err
			}
			if i == 0 {
				present = found
			}
			if found != present || found <= 0 {
				return fmt.Errorf("generation %d in step %d of a model, after %d switches: it had %d", found, i+1, n, present)
			}
		}
		if slices.Contains(before, present) {
			return fmt.Errorf("generation %d after %d switches, it was there before: %v", present, n, before)
		}
		before = append(before, present)
		if err := s.put(ctx, shadow(), at, row("a", "rebuilt", 1)); err != nil {
			return err
		}
		if err := s.store.ReadModels().Switch(ctx, "orders"); err != nil {
			return fmt.Errorf("switch: %w", err)
		}
	}
	return nil
}
