//go:build unix

package crashes_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/processes"
)

// The server is away for longer than the term: the leases of the only projector run out, and it goes on by itself once the server is back.
func TestOutageBeyondTerm(t *testing.T) {
	t.Parallel()
	c := backends.StartCluster(t)
	j := job{Task: "project", URL: c.URL, Schema: "outage", Models: []string{"accounts"}, Segments: 4, Term: time.Second}
	store := j.store(t)
	start(t, j)
	appendOne(t, store, deposit("a", 1, 2))
	j.caughtUp(t, store)
	c.Kill()
	processes.Rest(t.Context(), 3*j.Term)
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, account := range accountsOf {
		processes.Await(t, "an append succeeds", func() bool {
			_, err := logOf(store).Append(t.Context(), deposit(account, 1, 1))
			return err == nil
		})
	}
	j.caughtUp(t, store)
}

// The server crashes and loses what it had not flushed of a read model, which it may, and is back before the projector noticed: the rows
// are folded again although nothing more is appended.
func TestUnflushedReadModelIsFoldedAgain(t *testing.T) {
	t.Parallel()
	c := backends.StartCluster(t, "wal_writer_delay = 10s")
	j := job{Task: "project", URL: c.URL, Schema: "unflushed", Models: []string{"accounts"}, Segments: 1, Term: time.Minute}
	p := start(t, j)
	before := j.store(t)
	for n := int64(1); ; n++ {
		head := appendOne(t, before, deposit("a", n, 2)).Last
		j.caughtUp(t, before)
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		c.Kill()
		if err := c.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := j.store(t)
		at, err := slowest(t.Context(), after, "accounts", 1)
		if err != nil {
			t.Fatal(err)
		}
		processes.Rest(t.Context(), 1200*time.Millisecond) // connections that idled for a second are tried before they are used, and replaced
		if err := p.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		j.caughtUp(t, after)
		if at < head {
			t.Logf("crash %d set the checkpoint back from %d to %d", n, head, at)
			return
		}
		if n == 10 {
			t.Fatalf("the server lost nothing in %d crashes: the test would not see the fault it is for", n)
		}
		before = after
	}
}
