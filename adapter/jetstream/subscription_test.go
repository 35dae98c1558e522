package jetstream_test

import (
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// TestCloseBegins where the first delivery that was not settled stands.
func TestRewind(t *testing.T) {
	t.Parallel()
	b := open(t, startServer(t, nil).ClientURL())
	declare(t, b, carillon.Topic{Name: "orders.v2", Subscriptions: []string{"billing"}, Partitions: 1})
	for n := range 6 {
		publish(t, b, "orders.v2", message("a", n))
	}
	s := subscribe(t, b, "orders.v2", "billing", carillon.SubscribeOptions{})
	got := receive(t, s, 5)
	ack(t, s, got[0], got[1], got[3])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-got[2].Lost:
	default:
		t.Error("a delivery is not lost although the subscription is closed")
	}
	s = subscribe(t, b, "orders.v2", "billing", carillon.SubscribeOptions{})
	got = receive(t, s, 3)
	if want := "a-2 a-4 a-5"; ids(got) != want {
		t.Errorf("got %q, want %q", ids(got), want)
	}
	for n, want := range []int{2, 2, 1} {
		if got[n].Attempt != want {
			t.Errorf("%s is attempt %d, want %d", got[n].Message.ID, got[n].Attempt, want)
		}
	}
}

// TestDeadline lets a delivery expire: another consumer has it, in order, and the first one's acknowledgement is passed over.
func TestDeadline(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	first, second := open(t, url), open(t, url)
	declare(t, first, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1})
	options := carillon.SubscribeOptions{AckDeadline: time.Second}
	idle := subscribe(t, first, "orders", "billing", options)
	publish(t, first, "orders", message("a", 0), message("a", 1))
	late := receive(t, idle, 2)
	other := subscribe(t, second, "orders", "billing", options)
	publish(t, first, "orders", message("a", 2))
	got := receive(t, other, 3)
	if want := "a-0 a-1 a-2"; ids(got) != want {
		t.Errorf("got %q, want %q", ids(got), want)
	}
	if got[0].Attempt != 2 || got[2].Attempt != 1 {
		t.Errorf("attempts %d and %d, want 2 and 1", got[0].Attempt, got[2].Attempt)
	}
	select {
	case <-late[0].Lost:
	default:
		t.Error("the delivery is not lost")
	}
	ack(t, idle, late...)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	other = subscribe(t, second, "orders", "billing", options)
	if want, got := "a-0 a-1 a-2", ids(receive(t, other, 3)); got != want {
		t.Errorf("after a late acknowledgement got %q, want %q", got, want)
	}
}

// TestShares spreads partitions over consumers that come and go.
func TestShares(t *testing.T) {
	t.Parallel()
	b := open(t, startServer(t, nil).ClientURL(), jetstream.Prefix("shop"))
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}})
	one := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{Consumer: "one"})
	two := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{Consumer: "two"})
	seen := make(map[string]string) // keys by consumer
	for round := 0; len(seen) < 2; round++ {
		if round > 50 {
			t.Fatalf("after %d rounds only %v has partitions", round, seen)
		}
		for partition := range 8 {
			publish(t, b, "orders", message(keyOf(partition, 8), round))
		}
		for left := 8; left > 0; {
			for name, s := range map[string]carillon.Subscription{"one": one, "two": two} {
				if got := try(t, s); len(got) > 0 {
					seen[name] = ids(got)
					left -= len(got)
					ack(t, s, got...)
				}
			}
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	for partition := range 8 {
		publish(t, b, "orders", message(keyOf(partition, 8), 1000))
	}
	receive(t, two, 8)
}
