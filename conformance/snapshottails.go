package conformance

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
)

// checkSnapshotTails reads snapshots together with what happened since, where the log can: it must come to the same as reading
// one after the other.
func checkSnapshotTails(ctx context.Context, s *subject) error {
	tails, ok := s.log.(carillon.SnapshotLog)
	if !ok {
		return skip("the log is no carillon.SnapshotLog")
	}
	snapshots := s.store.Snapshots()
	if !tails.Keeps(snapshots) {
		return fmt.Errorf("the log does not keep the snapshots of its own store")
	}
	if tails.Keeps(foreignSnapshots{snapshots}) {
		return fmt.Errorf("the log says that it keeps the snapshots of somebody else")
	}
	l := newLedger()
	const length = 30
	for range length {
		if err := s.add(ctx, l, to("order-1", carillon.AnyVersion(), s.event("order.changed")), to("order-2", carillon.AnyVersion(), s.event("order.changed"))); err != nil {
			return err
		}
	}
	for _, at := range []int64{0, 1, 17, length - 1, length} {
		want := carillon.Snapshot{}
		if at > 0 {
			want = carillon.Snapshot{Key: "key of order-1", At: at, Fingerprint: fmt.Sprint("shape ", at), State: fmt.Append(nil, "state ", at)}
			if err := snapshots.SaveSnapshot(ctx, want); err != nil {
				return fmt.Errorf("save a snapshot: %w", err)
			}
		}
		for _, limit := range []int{1, 5, length + 1} {
			got, events, err := tails.ReadTail(ctx, "key of order-1", "order-1", limit)
			if err != nil {
				return fmt.Errorf("read a tail: %w", err)
			}
			if got.Key != want.Key || got.At != want.At || got.Fingerprint != want.Fingerprint || string(got.State) != string(want.State) {
				return fmt.Errorf("snapshot %+v was saved, %+v is read", want, got)
			}
			following := l.stream("order-1")[at:]
			if err := sameEvents(events, following[:min(limit, len(following))]); err != nil {
				return fmt.Errorf("tail after a snapshot at version %d, limit %d: %w", at, limit, err)
			}
		}
	}
	return nil
}

// foreignSnapshots are snapshots of no store.
type foreignSnapshots struct{ carillon.Snapshots }
