package consume_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon/consume"
)

func many(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("-%d", i)
	}
	return values
}

// TestCommitsAreCoalesced has a commit take as long as ten handlers: one is under way at a time, and each takes along what has
// been completed meanwhile.
func TestCommitsAreCoalesced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var underWay atomic.Int32
		var s store
		s.before = func(ctx context.Context, _ int) error {
			if underWay.Add(1) > 1 {
				t.Error("two commits under way")
			}
			defer underWay.Add(-1)
			return pause(ctx, 10*time.Millisecond)
		}
		handle := func(ctx context.Context, _ string) error { return pause(ctx, time.Millisecond) }
		took, err := run(t, consume.New(finite(deliver(0, many(1600)...)), handle, s.commit)).end()
		if err != nil {
			t.Fatal(err)
		}
		if s.checkpoint != 1600 || s.deliveries != 1600 {
			t.Errorf("checkpoint %d, %d deliveries", s.checkpoint, s.deliveries)
		}
		if s.commits < 10 || s.commits > 12 || took > 125*time.Millisecond {
			t.Errorf("%d commits in %v", s.commits, took)
		}
	})
}

// TestLoneDeliveryIsCommittedAtOnce waits for nobody.
func TestLoneDeliveryIsCommittedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s store
		batch := deliver(0, "a1")
		batch.Through = 5
		r := run(t, consume.New(endless(batch), func(context.Context, string) error { return nil }, s.commit))
		synctest.Wait()
		if checkpoint, _ := s.at(); checkpoint != 5 || time.Since(r.start) != 0 {
			t.Errorf("checkpoint %d after %v", checkpoint, time.Since(r.start))
		}
		r.stop()
		if _, err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestCommitFailureLosesNothing has commits fail for a while: handlers go on up to the bound, and then everything is
// committed, each letter once.
func TestCommitFailureLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s store
		s.before = func(_ context.Context, number int) error {
			if number <= 5 {
				return errors.New("no connection")
			}
			return nil
		}
		var handled, most atomic.Int32
		handle := func(_ context.Context, value string) error {
			handled.Add(1)
			if checkpoint, _ := s.at(); checkpoint == 0 {
				most.Store(handled.Load())
			}
			if value == "-3" || value == "-700" {
				return consume.Permanent(errBroken)
			}
			return nil
		}
		c := consume.New(finite(deliver(0, many(1000)...)), handle, s.commit, consume.ReadAhead(10), consume.Span(100))
		took, err := run(t, c).end()
		if err != nil {
			t.Fatal(err)
		}
		checkpoint, letters := s.at()
		if checkpoint != 1000 || len(letters) != 2 || handled.Load() != 1000 {
			t.Errorf("checkpoint %d, letters %v, %d handled", checkpoint, letters, handled.Load())
		}
		if n := most.Load(); n < 90 || n > 103 {
			t.Errorf("%d handled ahead of the first commit, want the span", n)
		}
		if took == 0 || took > 3100*time.Millisecond {
			t.Errorf("five commits failed in %v", took)
		}
	})
}

// TestPermanentCommitErrorEndsRun is how a consumer whose claim is lost stops.
func TestPermanentCommitErrorEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fenced := errors.New("another process has the claim")
		var s store
		s.before = func(context.Context, int) error { return consume.Permanent(fenced) }
		c := consume.New(endless(deliver(0, "a1")), func(context.Context, string) error { return nil }, s.commit)
		if took, err := run(t, c).end(); !errors.Is(err, fenced) || took != 0 || s.commits != 1 {
			t.Errorf("Run returned %v after %v and %d commits", err, took, s.commits)
		}
	})
}
