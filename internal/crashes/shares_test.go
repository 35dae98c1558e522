//go:build unix

package crashes_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/internal/processes"
)

// crew are projectors that share the segments of one model.
type crew struct {
	job   job
	store *postgres.Store
	n     int64
}

func newCrew(t *testing.T, term time.Duration) *crew {
	t.Helper()
	j := place(t)
	j.Models, j.Segments, j.Term = []string{"accounts"}, 8, term
	return &crew{job: j, store: j.store(t)}
}

func (c *crew) join(t *testing.T) *processes.Process {
	t.Helper()
	j := c.job
	j.Task = "project"
	return start(t, j)
}

// shares are how many segments each process holds, the largest first.
func (c *crew) shares(t *testing.T) []int {
	t.Helper()
	counts, _, err := holders(t.Context(), c.store.Leases())
	if err != nil {
		t.Fatal(err)
	}
	return slices.SortedFunc(maps.Values(counts), func(a, b int) int { return b - a })
}

// balanced waits for shares, and returns how long they took.
func (c *crew) balanced(t *testing.T, want ...int) time.Duration {
	t.Helper()
	var last []int
	return processes.Await(t, "balance", func() bool {
		last = c.shares(t)
		return cmp.Equal(last, want)
	})
}

// folds appends an event for every segment and returns how long it took until all were folded.
func (c *crew) folds(t *testing.T) time.Duration {
	t.Helper()
	c.n++
	for _, account := range accountsOf {
		appendOne(t, c.store, deposit(account, c.n, 1))
	}
	begin := time.Now()
	c.job.caughtUp(t, c.store)
	return time.Since(begin)
}

// Segments balance as processes come and go, and every event is folded once meanwhile.
func TestSharesFollowProcesses(t *testing.T) {
	t.Parallel()
	c := newCrew(t, 3*time.Second)
	first := c.join(t)
	c.balanced(t, 8)
	c.folds(t)
	second := c.join(t)
	t.Logf("4/4 after %v", c.balanced(t, 4, 4))
	c.join(t)
	t.Logf("3/3/2 after %v", c.balanced(t, 3, 3, 2))
	c.folds(t)
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("4/4 after one has left for %v", c.balanced(t, 4, 4))
	c.folds(t)
	c.join(t)
	t.Logf("3/3/2 after another has come for %v", c.balanced(t, 3, 3, 2))
	second.Kill()
	t.Logf("4/4 after one was killed for %v", c.balanced(t, 4, 4))
	c.folds(t)
}

// What a process held goes on within two seconds when it shut down, at the defaults.
func TestShutDownProcessIsFollowed(t *testing.T) {
	t.Parallel()
	c := newCrew(t, 0)
	first := c.join(t)
	c.balanced(t, 8)
	c.join(t)
	c.balanced(t, 4, 4)
	c.folds(t)
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	if took := c.folds(t); took > 2*time.Second {
		t.Errorf("after a process shut down it took %v until its segments went on, at most 2 s are allowed", took)
	} else {
		t.Logf("the segments went on after %v", took)
	}
}

func TestDeadProcessIsFollowed(t *testing.T) {
	t.Parallel()
	testDeadProcess(t, 3*time.Second, 3*time.Second)
}

func TestDeadProcessIsFollowedNightly(t *testing.T) {
	processes.Nightly(t)
	testDeadProcess(t, 0, 30*time.Second)
}

// What a process held goes on within the term and five seconds when it was killed.
func testDeadProcess(t *testing.T, set, term time.Duration) {
	c := newCrew(t, set)
	first := c.join(t)
	c.balanced(t, 8)
	c.join(t)
	c.balanced(t, 4, 4)
	c.folds(t)
	first.Kill()
	if took := c.folds(t); took > term+5*time.Second {
		t.Errorf("after a process was killed it took %v until its segments went on, the term is %v", took, term)
	} else {
		t.Logf("the segments went on after %v, the term is %v", took, term)
	}
}
