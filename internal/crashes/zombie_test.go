//go:build unix

package crashes_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/internal/processes"
)

// paused is a projector that was stopped by SIGSTOP at a point, with what it needs to go on.
type paused struct {
	*processes.Process
	job   job
	store *postgres.Store
	hold  string
}

// accountsOf spread over all segments.
var accountsOf = strings.Fields("held a b c d e f g h i j k l m n o p q r s t u v w x y z")

// pause has a projector hold all segments, stops it in the middle of a batch, and lets others have its leases' time run out.
func pause(t *testing.T, point string, unfenced bool) paused {
	t.Helper()
	j := place(t)
	j.Models, j.Segments, j.Term = []string{"accounts"}, 8, 2*time.Second
	store := j.store(t)
	j.execute(t, "CREATE TABLE {{schema}}.audit (lease text, epoch bigint, present bigint)")
	first := j
	first.Task, first.Point, first.Hold, first.Report, first.Unfenced = "project", point, filepath.Join(t.TempDir(), "go"), true, unfenced
	p := paused{Process: start(t, first), job: j, store: store, hold: first.Hold}
	processes.Await(t, "the first projector has all segments", func() bool {
		counts, _, err := holders(t.Context(), store.Leases())
		for _, count := range counts {
			return err == nil && count == j.Segments
		}
		return false
	})
	p.deposits(t, 1)
	p.Hear(t, "holding at "+point)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return p
}

// deposits appends the nth event of every account.
func (p paused) deposits(t *testing.T, n int64) {
	t.Helper()
	for _, account := range accountsOf {
		appendOne(t, p.store, deposit(account, n, 1))
	}
}

// resume lets the process go on.
func (p paused) resume(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(p.hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// replaced starts a successor and waits until it has every segment and has caught up.
func (p paused) replaced(t *testing.T) {
	t.Helper()
	_, before, err := holders(t.Context(), p.store.Leases())
	if err != nil {
		t.Fatal(err)
	}
	successor := p.job
	successor.Task = "project"
	start(t, successor)
	processes.Await(t, "the successor has all segments", func() bool {
		counts, now, err := holders(t.Context(), p.store.Leases())
		taken := err == nil && len(counts) == 1 && len(now) == p.job.Segments
		for name, epoch := range now {
			taken = taken && epoch > before[name]
		}
		return taken
	})
	p.deposits(t, 2)
	p.job.caughtUp(t, p.store)
}

// stale is how many updates were committed by a process whose lease another had claimed.
func (p paused) stale(t *testing.T) (count int) {
	t.Helper()
	row := p.store.Pool().QueryRow(t.Context(), fmt.Sprintf("SELECT count(*) FROM %s.audit WHERE epoch <> present", p.job.Schema))
	if err := row.Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

// refused waits until an update was refused because the lease is lost.
func (p paused) refused(t *testing.T) {
	t.Helper()
	for o := (outcome{}); !o.Lost; {
		if err := json.Unmarshal([]byte(p.Hear(t, "outcome ")), &o); err != nil {
			t.Fatal(err)
		}
	}
}

// A projector is stopped in the middle of a batch, a successor takes over, and the first goes on: what it had in hand is refused.
func TestPausedProjector(t *testing.T) {
	t.Parallel()
	p := pause(t, "fold", false)
	p.replaced(t)
	p.resume(t)
	p.refused(t)
	p.deposits(t, 3)
	p.job.caughtUp(t, p.store)
	if stale := p.stale(t); stale > 0 {
		t.Errorf("the paused process wrote %d times after it was replaced", stale)
	}
}

// The same where nobody looks at epochs and checkpoints: what the paused process had in hand is written over what its successor wrote.
func TestPausedProjectorWithoutEpochs(t *testing.T) {
	t.Parallel()
	p := pause(t, "fold", true)
	p.replaced(t)
	p.resume(t)
	processes.Await(t, "the paused process writes after it was replaced", func() bool { return p.stale(t) > 0 })
}

// A projector is stopped inside a transaction that holds a segment's lease: a successor has the other segments meanwhile and keeps them,
// the server ends the transaction, and the segment goes on as well.
func TestPausedTransaction(t *testing.T) {
	t.Parallel()
	p := pause(t, "after put", false)
	successor := p.job
	successor.Task = "project"
	other := start(t, successor)
	others := func() (held int) {
		t.Helper()
		infos, err := p.store.Leases().List(t.Context(), "projection/")
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			if info.Left > 0 && strings.Contains(info.Holder, fmt.Sprintf("/%d/", other.ID())) {
				held++
			}
		}
		return held
	}
	most := 0
	processes.Await(t, "the successor has all segments", func() bool {
		now := others()
		if now < most {
			t.Fatalf("the successor had %d segments, and has %d", most, now)
		}
		most = now
		return now == p.job.Segments
	})
	p.deposits(t, 2)
	p.job.caughtUp(t, p.store)
	p.resume(t)
	p.deposits(t, 3)
	p.job.caughtUp(t, p.store)
	if stale := p.stale(t); stale > 0 {
		t.Errorf("the paused process wrote %d times after it was replaced", stale)
	}
}
