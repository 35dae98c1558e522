package jetstream_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/internal/faultproxy"
)

// newProxy stands before a server until the test ends, and returns the URL at which clients find it.
func newProxy(t testing.TB, url string) (*faultproxy.Proxy, string) {
	t.Helper()
	p, through, err := faultproxy.Before(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, through
}

// TestCut breaks connections again and again while messages flow.
func TestCut(t *testing.T) {
	t.Parallel()
	p, url := newProxy(t, startServer(t, nil).ClientURL())
	b := open(t, url)
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 2})
	s := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})
	const each = 100
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := range each {
			persist(t.Context(), t, func() error {
				return b.Publish(t.Context(), "orders", []carillon.Message{message("a", n), message("b", n)})
			})
			if n%25 == 10 {
				p.Break()
			}
		}
	})
	next := map[string]int{}
	for next["a"]+next["b"] < 2*each {
		for _, d := range receive(t, s, 1) {
			if want := message(d.Message.Key, next[d.Message.Key]).ID; d.Message.ID != want {
				t.Fatalf("%s came in place of %s", d.Message.ID, want)
			}
			next[d.Message.Key]++
			if err := s.Ack(t.Context(), []carillon.Delivery{d}); err != nil && !errors.Is(err, carillon.ErrUnavailable) {
				t.Fatal(err)
			}
		}
	}
	publishing.Wait()
}

// TestSilence has the other side say nothing: publishers get an error in bounded time, what is unsettled is lost before others have
// it, and everything goes on afterwards.
func TestSilence(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	p, through := newProxy(t, url)
	b := open(t, through, jetstream.Timeout(time.Second), jetstream.PingEvery(250*time.Millisecond))
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1})
	options := carillon.SubscribeOptions{AckDeadline: 2 * time.Second}
	s := subscribe(t, b, "orders", "billing", options)
	publish(t, b, "orders", message("a", 0))
	held := receive(t, s, 1)
	second := open(t, url)
	for backlog := (carillon.Backlog{}); backlog.Unsettled == 0; { // the other side knows
		var err error
		if backlog, err = second.(carillon.Prober).Probe(t.Context(), "orders", "billing"); err != nil {
			t.Fatal(err)
		}
	}
	p.Set(faultproxy.HalfOpen())
	began := time.Now()
	err := b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)})
	if took := time.Since(began); !errors.Is(err, carillon.ErrUnavailable) || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	other := subscribe(t, second, "orders", "billing", options)
	got := receive(t, other, 1)
	select {
	case <-held[0].Lost:
	case <-time.After(10 * time.Second):
		t.Error("the delivery is not lost")
	}
	if got[0].Message.ID != "a-0" || got[0].Attempt != 2 {
		t.Errorf("%s is attempt %d", got[0].Message.ID, got[0].Attempt)
	}
	ack(t, other, got...)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	p.Heal()
	persist(t.Context(), t, func() error { return b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)}) })
	if want, got := "a-1", ids(receive(t, s, 1)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRestart stops the server and starts it again: readers and positions go on.
func TestRestart(t *testing.T) {
	t.Parallel()
	n := startServer(t, func(o *server.Options) { o.Port = freePort(t) })
	b := open(t, n.ClientURL(), jetstream.Timeout(2*time.Second))
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}})
	s := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})
	publish(t, b, "orders", message("a", 0))
	held := receive(t, s, 1)
	n.stop()
	if err := b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)}); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	if _, err := s.Receive(t.Context(), 1); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	n.start(t)
	persist(t.Context(), t, func() error { return b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)}) })
	got := receive(t, s, 1)
	if got[0].Message.ID != "a-1" {
		t.Errorf("%s came", got[0].Message.ID)
	}
	ack(t, s, append(held, got...)...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := try(t, subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})); len(got) > 0 {
		t.Errorf("%s came again", got[0].Message.ID)
	}
}

// TestRestartAmongOthers has one of two consumers leave once the server was started again: the other one hears of it, and takes
// over soon.
func TestRestartAmongOthers(t *testing.T) {
	t.Parallel()
	const partitions = 8
	n := startServer(t, func(o *server.Options) { o.Port = freePort(t) })
	b, other := open(t, n.ClientURL(), jetstream.Timeout(2*time.Second)), open(t, n.ClientURL(), jetstream.Timeout(2*time.Second))
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: partitions})
	staying := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})
	leaving := subscribe(t, other, "orders", "billing", carillon.SubscribeOptions{})
	published := 0
	everywhere := func() (messages []carillon.Message) {
		for range partitions {
			messages = append(messages, message("", published))
			published++
		}
		return messages
	}
	for shared := false; !shared; {
		publish(t, b, "orders", everywhere()...)
		ack(t, staying, try(t, staying)...)
		got := try(t, leaving)
		ack(t, leaving, got...)
		shared = len(got) > 0
	}
	n.stop()
	n.start(t)
	persist(t.Context(), t, func() error { return b.Publish(t.Context(), "orders", everywhere()) })
	persist(t.Context(), t, func() error { return other.Publish(t.Context(), "orders", everywhere()) })
	began := time.Now()
	if err := leaving.Close(); err != nil {
		t.Fatal(err)
	}
	ack(t, staying, receive(t, staying, 2*partitions)...)
	if took := time.Since(began); took > 10*time.Second { // as long as the client takes to notice that the server has forgotten a watcher
		t.Errorf("it took %v", took)
	}
}
