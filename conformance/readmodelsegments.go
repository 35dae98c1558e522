package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

// checkSegments moves the segments of a model on their own. A store without leases serves one process and has one segment.
func checkSegments(ctx context.Context, s *subject) error {
	part := func(ref carillon.ModelRef, segment int) carillon.ModelRef {
		ref.Segment = segment
		return ref
	}
	if _, ok := s.store.(carillon.LeaseStore); !ok {
		err := s.update(ctx, part(model(), 1), func(tx carillon.ReadModelTx) error { return putRows(tx, 1, row("a", "1", 1)) })
		if !errors.Is(err, carillon.ErrUnsupported) {
			return fmt.Errorf("an update of segment 1 in a store without leases: error %w, want ErrUnsupported", errOrNil(err))
		}
		return errors.Join(s.missing(ctx, model(), "a"), s.lists(ctx))
	}
	err := errors.Join(
		s.put(ctx, part(model(), 2), 5, row("a", "of 2", 1)),
		s.put(ctx, part(model(), 0), 7, row("b", "of 0", 1)),
		s.put(ctx, part(model(), 1), 6, row("c", "of 1", 1)),
	)
	if err != nil {
		return err
	}
	rows := []carillon.Row{row("a", "of 2", 1), row("b", "of 0", 1), row("c", "of 1", 1)}
	err = errors.Join(
		s.holds(ctx, part(model(), 0), 7, rows...),
		s.holds(ctx, part(model(), 1), 6, rows...),
		s.holds(ctx, part(model(), 2), 5, rows...),
		s.lists(ctx, carillon.ModelInfo{Name: "orders", Checkpoint: 5, Rows: 3, Shadow: -1}),
	)
	if err != nil {
		return fmt.Errorf("rows belong to the model, a checkpoint to its segment: %w", err)
	}
	err = s.update(ctx, part(model(), 2), func(tx carillon.ReadModelTx) error {
		if err := sees(tx, 5, rows, "a", "b", "c"); err != nil {
			return err
		}
		return tx.Advance(9)
	})
	if err != nil {
		return fmt.Errorf("within an update of segment 2: %w", err)
	}
	if err := s.lists(ctx, carillon.ModelInfo{Name: "orders", Checkpoint: 6, Rows: 3, Shadow: -1}); err != nil {
		return fmt.Errorf("a model has come as far as its slowest segment: %w", err)
	}
	// A shadow has segments of its own, and keeps them when it becomes the live model.
	rebuilt := []carillon.Row{row("a", "rebuilt by 0", 2), row("d", "rebuilt by 1", 2)}
	if err := errors.Join(s.put(ctx, part(shadow(), 0), 13, rebuilt[0]), s.put(ctx, part(shadow(), 1), 14, rebuilt[1])); err != nil {
		return err
	}
	if err := s.lists(ctx, carillon.ModelInfo{Name: "orders", Checkpoint: 6, Rows: 3, Shadow: 13}); err != nil {
		return err
	}
	if err := s.store.ReadModels().Switch(ctx, "orders"); err != nil {
		return fmt.Errorf("switch: %w", err)
	}
	err = errors.Join(
		s.holds(ctx, part(model(), 0), 13, rebuilt...),
		s.holds(ctx, part(model(), 1), 14, rebuilt...),
		s.lists(ctx, carillon.ModelInfo{Name: "orders", Checkpoint: 13, Rows: 2, Shadow: -1}),
	)
	if err != nil {
		return fmt.Errorf("after a switch: %w", err)
	}
	return s.segmentRace(ctx)
}

// segmentRace has segments count side by side, each in a row of its own.
func (s *subject) segmentRace(ctx context.Context) error {
	racers, racersCtx := newGroup(ctx)
	for segment := range s.sizes.Racers {
		racers.start(func() error {
			ref := carillon.ModelRef{Name: "parallel", Segment: segment}
			for range s.sizes.Rounds {
				if err := s.update(racersCtx, ref, func(tx carillon.ReadModelTx) error { return count(tx, fmt.Sprint("of ", segment)) }); err != nil {
					return fmt.Errorf("an update of a segment beside others: %w", err)
				}
			}
			return nil
		})
	}
	if err := racers.wait(); err != nil {
		return err
	}
	updates := int64(s.sizes.Rounds)
	rows := make([]carillon.Row, s.sizes.Racers)
	for segment := range rows {
		rows[segment] = row(fmt.Sprint("of ", segment), fmt.Sprint(updates), updates)
	}
	return s.holds(ctx, carillon.ModelRef{Name: "parallel", Segment: 1}, carillon.Position(updates), rows...)
}
