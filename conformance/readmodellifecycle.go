package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

func modelLifecycleChecks() []check {
	return []check{
		{"read models reopened", checkModelsReopened},
		{"read models closed", checkModelsClosed},
	}
}

// checkModelsReopened closes and opens a store with models, a shadow, a snapshot and a dead letter.
func checkModelsReopened(ctx context.Context, s *subject) error {
	if s.volatile {
		return skip("the store keeps nothing when it is closed, see conformance.WithoutReopen")
	}
	snapshot := carillon.Snapshot{Key: "order-1", At: 3, Fingerprint: "f", State: []byte("s")}
	rows := []carillon.Row{row("a", "1", 1), row("b", "1", 1)}
	err := errors.Join(
		s.put(ctx, model(), 8, rows...),
		s.put(ctx, shadow(), 3, row("a", "shadow", 2)),
		s.store.Snapshots().SaveSnapshot(ctx, snapshot),
	)
	if err != nil {
		return err
	}
	parks := s.parks() == nil
	if parks {
		if err := s.park(ctx, letter("k", 1, "cause")); err != nil {
			return err
		}
	}
	for round := range carillon.Position(2) {
		if err := s.reopen(ctx); err != nil {
			return err
		}
		err := errors.Join(s.holds(ctx, model(), 8+round, rows...), s.holds(ctx, shadow(), 3, row("a", "shadow", 2)), s.loads(ctx, snapshot))
		if parks {
			err = errors.Join(err, s.parked(ctx, "k", letter("k", 1, "cause")))
		}
		if err != nil {
			return fmt.Errorf("after a close and an open: %w", err)
		}
		rows[0] = row("a", fmt.Sprint("round ", round), int64(round))
		if err := s.put(ctx, model(), 9+round, rows[0]); err != nil {
			return err
		}
	}
	return nil
}

// checkModelsClosed uses ports after their store was closed.
func checkModelsClosed(ctx context.Context, s *subject) error {
	if err := s.put(ctx, model(), 1, row("a", "1", 1)); err != nil {
		return err
	}
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if err := s.refuses(ctx, carillon.ErrClosed); err != nil {
		return fmt.Errorf("a closed store: %w", err)
	}
	if s.volatile {
		return nil
	}
	if err := s.use(ctx, s.opener); err != nil {
		return err
	}
	return s.holds(ctx, model(), 1, row("a", "1", 1))
}

// refuses calls every method of the store's ports but its log's and demands an error of each.
func (s *subject) refuses(ctx context.Context, want error) error {
	models, snapshots := s.store.ReadModels(), s.store.Snapshots()
	calls := map[string]func() error{
		"Update": func() error {
			return s.update(ctx, model(), func(carillon.ReadModelTx) error { return errors.New("fn was called") })
		},
		"Row":          func() error { _, _, err := models.Row(ctx, model(), "a"); return err },
		"Rows":         func() error { _, err := models.Rows(ctx, model(), "", 1); return err },
		"Models":       func() error { _, err := models.Models(ctx); return err },
		"Switch":       func() error { return models.Switch(ctx, "orders") },
		"LoadSnapshot": func() error { _, err := snapshots.LoadSnapshot(ctx, "order-1"); return err },
		"SaveSnapshot": func() error {
			return snapshots.SaveSnapshot(ctx, carillon.Snapshot{Key: "order-1", State: []byte("s")})
		},
	}
	if store, ok := s.store.(carillon.LeaseStore); ok {
		leases := store.Leases()
		calls["Claim"] = func() error { _, err := leases.Claim(ctx, "lease", "ann", long); return err }
		calls["Renew"] = func() error { _, err := leases.Renew(ctx, "ann", long); return err }
		calls["Release"] = func() error { return leases.Release(ctx, carillon.Lease{Name: "lease", Holder: "ann", Epoch: 1}) }
		calls["List"] = func() error { _, err := leases.List(ctx, ""); return err }
	}
	if store, ok := s.store.(carillon.DeadLetterStore); ok {
		letters := store.DeadLetters()
		calls["Keys"] = func() error { _, err := letters.Keys(ctx, "orders"); return err }
		calls["Letters"] = func() error { _, err := letters.Letters(ctx, "orders", "k", 0, 1); return err }
		calls["Retry"] = func() error { return letters.Retry(ctx, "orders", "k") }
		calls["Discard"] = func() error { return letters.Discard(ctx, "orders", "k", 1) }
	}
	var wrong []error
	for method, call := range calls {
		if err := call(); !errors.Is(err, want) {
			wrong = append(wrong, fmt.Errorf("%s: error %w, want %w", method, errOrNil(err), want))
		}
	}
	return errors.Join(wrong...)
}
