package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// loads demands a snapshot of the store.
func (s *subject) loads(ctx context.Context, want carillon.Snapshot) error {
	got, err := s.store.Snapshots().LoadSnapshot(ctx, want.Key)
	if err != nil {
		return fmt.Errorf("load snapshot %q: %w", want.Key, err)
	}
	if got.Key != want.Key || got.At != want.At || got.Fingerprint != want.Fingerprint || string(got.State) != string(want.State) {
		return fmt.Errorf("snapshot %s, want %s", describeSnapshot(got), describeSnapshot(want))
	}
	return nil
}

func describeSnapshot(s carillon.Snapshot) string {
	return clip(fmt.Sprintf("of %q at %d with fingerprint %q and state %q", s.Key, s.At, s.Fingerprint, s.State))
}

// checkSnapshots saves and loads snapshots. One of an earlier point does not replace one of the same fingerprint; of another
// fingerprint it may.
func checkSnapshots(ctx context.Context, s *subject) error {
	snapshots := s.store.Snapshots()
	save := func(snapshot carillon.Snapshot) error {
		if err := snapshots.SaveSnapshot(ctx, snapshot); err != nil {
			return fmt.Errorf("save snapshot %s: %w", describeSnapshot(snapshot), err)
		}
		return nil
	}
	if got, err := snapshots.LoadSnapshot(ctx, "order-1"); !errors.Is(err, carillon.ErrNotFound) {
		return fmt.Errorf("snapshot %s, error %w, want ErrNotFound: none was saved", describeSnapshot(got), errOrNil(err))
	}
	at := func(point int64, state string) carillon.Snapshot {
		return carillon.Snapshot{Key: "order-1", At: point, Fingerprint: "f", State: []byte(state)}
	}
	for _, step := range []struct{ saved, want carillon.Snapshot }{
		{at(5, "five"), at(5, "five")},
		{at(9, "nine"), at(9, "nine")},
		{at(6, "six"), at(9, "nine")},
		{at(9, "nine again"), at(9, "nine again")},
		{at(10, ""), at(10, "")},
		{at(11, "\x00\xff"), at(11, "\x00\xff")},
	} {
		if err := save(step.saved); err != nil {
			return err
		}
		if err := s.loads(ctx, step.want); err != nil {
			return fmt.Errorf("after %s was saved: %w", describeSnapshot(step.saved), err)
		}
	}
	other := carillon.Snapshot{Key: "order-1", At: 12, Fingerprint: "g", State: []byte("other")}
	if err := errors.Join(save(other), s.loads(ctx, other)); err != nil {
		return err
	}
	earlier := carillon.Snapshot{Key: "order-1", At: 3, Fingerprint: "h", State: []byte("earlier")}
	if err := save(earlier); err != nil {
		return err
	}
	if s.loads(ctx, earlier) != nil {
		if err := s.loads(ctx, other); err != nil {
			return fmt.Errorf("a snapshot of another fingerprint and an earlier point replaces the one there, or does not: %w", err)
		}
	}
	var all []carillon.Snapshot
	for i, key := range []string{"order-2", "Order-2", "order-2 ", "é", "a", "a\x00b", "\xff", "%", strings.Repeat("k", 1000), strings.Repeat("k", 1001)} {
		state := fmt.Appendf(nil, "state %d", i)
		if err := save(carillon.Snapshot{Key: key, At: int64(i), Fingerprint: "f", State: state}); err != nil {
			return err
		}
		clear(state) // the store has its own
		all = append(all, carillon.Snapshot{Key: key, At: int64(i), Fingerprint: "f", State: fmt.Appendf(nil, "state %d", i)})
	}
	for _, want := range all {
		if err := s.loads(ctx, want); err != nil {
			return err
		}
	}
	large := carillon.Snapshot{Key: "large", At: 1, Fingerprint: "f", State: []byte(strings.Repeat("0123456789abcdef", 1<<16))}
	return errors.Join(save(large), s.loads(ctx, large))
}
