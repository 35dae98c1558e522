//go:build unix

package crashes_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
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

// A transaction that need not be flushed publishes, a consumer has the message at once, and the server crashes. What is published then does
// not take the message's place in the topic, where the consumer would pass over it.
func TestCrashBehindUnflushedPublication(t *testing.T) {
	t.Parallel()
	c := backends.StartCluster(t, "wal_writer_delay = 10s")
	j := job{URL: c.URL, Schema: "published"}
	publisher, other := j.store(t), j.store(t)
	broker := other.Broker()
	defer broker.Close()
	if err := broker.Declare(t.Context(), carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	consumer, err := broker.Subscribe(t.Context(), "things", "all", carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	receive := func(id string) {
		t.Helper()
		limited, cancel := context.WithTimeout(t.Context(), processes.Patience)
		defer cancel()
		for {
			got, err := consumer.Receive(limited, 1)
			switch {
			case errors.Is(err, carillon.ErrUnavailable):
				processes.Rest(limited, 50*time.Millisecond)
			case err != nil:
				t.Fatalf("message %q: %v", id, err)
			case got[0].Message.ID == id:
				return
			}
		}
	}
	update := func(model string, fn func(carillon.ReadModelTx) error) error {
		return publisher.ReadModels().Update(t.Context(), carillon.ModelRef{Name: model}, carillon.Refoldable, fn)
	}
	publish := func(id string) error {
		return update("publisher", func(tx carillon.ReadModelTx) error {
			return tx.(carillon.OutboxTx).Publish("things", []carillon.Message{{ID: id, Type: "thing.noted", Payload: []byte("{}")}})
		})
	}
	for n := 1; ; n++ {
		before, after := fmt.Sprint("before crash ", n), fmt.Sprint("after crash ", n)
		if err := publish(before); err != nil {
			t.Fatal(err)
		}
		receive(before)
		if err := update("control", func(tx carillon.ReadModelTx) error { return tx.Advance(carillon.Position(n)) }); err != nil {
			t.Fatal(err)
		}
		c.Kill()
		if err := c.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, err := slowest(t.Context(), j.store(t), "control", 1)
		if err != nil {
			t.Fatal(err)
		}
		processes.Await(t, "something is published", func() bool { return publish(after) == nil })
		receive(after)
		if at < carillon.Position(n) {
			t.Logf("crash %d took back what was not flushed", n)
			return
		}
		if n == 10 {
			t.Fatalf("the server lost nothing in %d crashes: the test would not see the fault it is for", n)
		}
	}
}
