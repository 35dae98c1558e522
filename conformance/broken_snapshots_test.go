package conformance

import (
	"context"
	"errors"
	"testing"

	"github.com/carillon-go/carillon"
)

// tailed is the reference log, reading snapshots with their tails.
type tailed struct {
	*altered

	snapshots carillon.Snapshots
	keeps     func(own bool) bool
	tail      func(after int64, limit int) (int64, int)
	change    func(*carillon.Snapshot)
}

func (l *tailed) Keeps(snapshots carillon.Snapshots) bool {
	own := snapshots == l.snapshots
	if l.keeps != nil {
		return l.keeps(own)
	}
	return own
}

func (l *tailed) ReadTail(ctx context.Context, key, stream string, limit int) (carillon.Snapshot, []carillon.Recorded, error) {
	snapshot, err := l.snapshots.LoadSnapshot(ctx, key)
	if err != nil && !errors.Is(err, carillon.ErrNotFound) {
		return snapshot, nil, err
	}
	after := snapshot.At
	if l.tail != nil {
		after, limit = l.tail(after, limit)
	}
	if l.change != nil {
		l.change(&snapshot)
	}
	events, err := l.ReadStream(ctx, stream, after, limit)
	return snapshot, events, err
}

// withTails opens the reference with a log that reads tails and that change has been at.
func withTails(change func(*tailed)) LogOpener {
	return func(testing.TB) carillon.Opener {
		return alterStore(func(log *altered, s *store) {
			tails := &tailed{altered: log, snapshots: s.Snapshots()}
			change(tails)
			s.log = tails
		})
	}
}

func brokenSnapshots() []brokenLog {
	catch := []string{"snapshot tails"}
	return []brokenLog{
		{fault: "does not know its own snapshots", caughtBy: catch, open: withTails(func(l *tailed) {
			l.keeps = func(bool) bool { return false }
		})},
		{fault: "takes any snapshots for its own", caughtBy: catch, open: withTails(func(l *tailed) {
			l.keeps = func(bool) bool { return true }
		})},
		{fault: "reads the whole stream behind a snapshot", caughtBy: catch, open: withTails(func(l *tailed) {
			l.tail = func(_ int64, limit int) (int64, int) { return 0, limit }
		})},
		{fault: "reads a tail from the snapshot's own event on", caughtBy: catch, open: withTails(func(l *tailed) {
			l.tail = func(after int64, limit int) (int64, int) { return max(after-1, 0), limit }
		})},
		{fault: "reads a tail without a limit", caughtBy: catch, open: withTails(func(l *tailed) {
			l.tail = func(after int64, _ int) (int64, int) { return after, 1000 }
		})},
		{fault: "drops a snapshot's fingerprint", caughtBy: catch, open: withTails(func(l *tailed) {
			l.change = func(s *carillon.Snapshot) { s.Fingerprint = "" }
		})},
	}
}

// TestTailsOfTheReference is the control: the reference with tails passes.
func TestTailsOfTheReference(t *testing.T) {
	t.Parallel()
	if err := named(t, "snapshot tails").against(t.Context(), t, withTails(func(*tailed) {}), testSettings(t)); err != nil {
		t.Error(err)
	}
}
