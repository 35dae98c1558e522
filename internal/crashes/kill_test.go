//go:build unix

package crashes_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/processes"
)

// The named points at which processes end.
var (
	appenderPoints  = []string{"before append", "after append", "before ledger", "after ledger"}
	projectorPoints = []string{
		"begun", "before put", "after put", "before commit", "after commit", "before claim", "after claim", "after renew", whileStopping,
	}
)

// whileStopping is a point that a process comes to as it shuts down.
const whileStopping = "before release"

func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	testKilledProcesses(t, 50)
}

func TestKilledProcessesNightly(t *testing.T) {
	processes.Nightly(t)
	testKilledProcesses(t, 1000)
}

// Appenders, projectors and the server are killed with kill -9 and started again, at named points and at random: in the end what was
// acknowledged is in the log exactly once, every read model is the fold of the log, and no checkpoint lies beyond it.
func testKilledProcesses(t *testing.T, kills int) {
	c := backends.StartCluster(t)
	house := &house{t: t, cluster: c, limit: int64(kills), counts: make(map[string]int), job: job{
		URL: c.URL, Schema: "killed", Writers: 4, Models: []string{"accounts", "buckets"}, Segments: 4, Term: time.Second,
	}}
	store := house.job.store(t)
	begin := time.Now()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	var running sync.WaitGroup
	run := func(keep func(context.Context) error) {
		running.Go(func() {
			if err := keep(ctx); err != nil && context.Cause(ctx) == nil {
				stop(err)
			}
		})
	}
	directory := t.TempDir()
	var ledgers []string
	for i := range 2 {
		appender, projector := house.job, house.job
		appender.Task, appender.Name = "append", fmt.Sprintf("a%d", i)
		appender.Ledger = filepath.Join(directory, appender.Name)
		ledgers = append(ledgers, appender.Ledger)
		projector.Task, projector.Name = "project", fmt.Sprintf("p%d", i)
		run(func(ctx context.Context) error { return house.keep(ctx, appender, appenderPoints[2*i:2*i+2], 200) })
		run(func(ctx context.Context) error {
			return house.keep(ctx, projector, projectorPoints[i*5:min(i*5+5, 9)], 3)
		})
	}
	run(house.keepServer)
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}

	last := house.job
	last.Task = "project"
	p := start(t, last)
	last.caughtUp(t, store)
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	acknowledged := exactlyOnce(t, history(t, store), ledgers)
	t.Logf("%d kills in %v: %v; %d appends acknowledged", house.killed.Load(), time.Since(begin), house.counts, acknowledged)
}

// exactlyOnce checks that every account of the log has its appends whole, in order and once, and that all acknowledged ones are there. It
// returns how many were.
func exactlyOnce(t *testing.T, events []deposited, ledgers []string) (acknowledged int64) {
	t.Helper()
	present := make(map[string]int64)
	next := make(map[string]int) // part
	for _, e := range events {
		if e.N != present[e.Account]+1 || e.Part != next[e.Account] {
			t.Fatalf("account %s: part %d of append %d stands behind append %d", e.Account, e.Part, e.N, present[e.Account])
		}
		next[e.Account]++
		if next[e.Account] == parts(e.N) {
			present[e.Account], next[e.Account] = e.N, 0
		}
	}
	for account, part := range next {
		if part != 0 {
			t.Errorf("account %s: the last append has only %d parts", account, part)
		}
	}
	for _, path := range ledgers {
		last, err := processes.ReadLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		for account, n := range last {
			acknowledged += n
			if present[account] < n {
				t.Errorf("account %s: append %d was acknowledged, the log ends at %d", account, n, present[account])
			}
		}
	}
	return acknowledged
}

// house keeps processes running and kills them until enough were killed.
type house struct {
	t       *testing.T
	cluster *backends.Cluster
	job     job
	limit   int64
	killed  atomic.Int64

	mu     sync.Mutex
	counts map[string]int
}

func (h *house) done() bool { return h.killed.Load() >= h.limit }

func (h *house) count(what string) {
	h.killed.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[what]++
}

// keep keeps one worker running. It dies by turns at its next named point, passed up to some times before, and at a random moment.
func (h *house) keep(ctx context.Context, j job, points []string, passes int64) error {
	for turn := 0; !h.done() && ctx.Err() == nil; turn++ {
		named := turn%2 == 0
		next := j
		if named {
			next.Point = points[turn/2%len(points)]
			if next.Point != whileStopping {
				next.Count = 1 + rand.N(passes)
			}
		}
		p, err := launch(h.t, next)
		if err != nil {
			return err
		}
		switch {
		case !named:
			processes.Rest(ctx, 50*time.Millisecond+rand.N(time.Second))
			p.Kill()
		case next.Point == whileStopping:
			processes.Rest(ctx, 300*time.Millisecond+rand.N(time.Second))
			_ = p.Stop() // how it ended is asked for below
		default:
			if err := h.untilDead(ctx, p, next.Point); err != nil {
				return err
			}
		}
		if !p.Killed() {
			if next.Point == whileStopping && p.Wait() == nil { // the server was away, and nothing was claimed
				continue
			}
			if ctx.Err() == nil && !h.done() {
				return fmt.Errorf("%s ended by itself, at point %q: %w", j.Name, next.Point, p.Wait())
			}
			return nil
		}
		if named {
			h.count(j.Task + " " + next.Point)
		} else {
			h.count(j.Task + " at random")
		}
	}
	return nil
}

// untilDead waits for a process to die at its point, and shuts it down when enough were killed before it came there.
func (h *house) untilDead(ctx context.Context, p *processes.Process, point string) error {
	limit := time.NewTimer(processes.Patience)
	defer limit.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-p.Ended():
			return nil
		case <-look.C:
			if h.done() || ctx.Err() != nil {
				_ = p.Stop() // how it ended is the caller's to ask
				return nil
			}
		case <-limit.C:
			return fmt.Errorf("the process did not come to the point %q", point)
		}
	}
}

// keepServer kills the server: all of it and one of its processes by turns.
func (h *house) keepServer(ctx context.Context) error {
	for turn := 0; !h.done(); turn++ {
		if !processes.Rest(ctx, 500*time.Millisecond+rand.N(2*time.Second)) {
			return nil
		}
		if turn%2 == 0 {
			h.cluster.Kill()
			h.count("server")
			if err := h.cluster.Restart(ctx); err != nil {
				return err
			}
			continue
		}
		killed, err := h.cluster.KillProcess(ctx)
		if err != nil {
			return err
		}
		if killed {
			h.count("server process")
		}
	}
	return nil
}

// A projector whose checkpoint is written in a transaction of its own dies between the two: events count twice, and the comparison
// shows it.
func TestKilledProjectorWithoutOneTransaction(t *testing.T) {
	t.Parallel()
	j := place(t)
	store := j.store(t)
	j.Models, j.Segments, j.Term = []string{"accounts"}, 1, time.Second
	whole := j
	whole.Task = "project"
	first := start(t, whole) // a model that is new is folded from the first event, whatever rows it finds
	appendOne(t, store, deposit("torn", 1, 2))
	processes.Await(t, "the first projector folds", func() bool {
		at, err := slowest(t.Context(), store, "accounts", 1)
		return err == nil && at == 2
	})
	if err := first.Signal(syscall.SIGKILL); err != nil || !first.Killed() {
		t.Fatalf("the first projector was not killed: %v", err)
	}
	torn := j
	torn.Task, torn.Torn, torn.Point = "project", true, "between rows and checkpoint"
	p := start(t, torn)
	for n := range int64(4) {
		appendOne(t, store, deposit("torn", n+2, 2))
	}
	if !p.Killed() {
		t.Fatalf("the projector ended by itself: %v", p.Wait())
	}
	start(t, whole)
	processes.Await(t, "the successor catches up", func() bool {
		at, err := slowest(t.Context(), store, "accounts", 1)
		return err == nil && at == 10
	})
	if difference(t, store, "accounts", history(t, store)) == "" {
		t.Error("a kill between rows and checkpoint made no difference: the test would not see the fault it is for")
	}
}

// appendOne appends through the store's port.
func appendOne(t testing.TB, store carillon.Store, a carillon.Append) carillon.Appended {
	t.Helper()
	appended, err := logOf(store).Append(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return appended
}
