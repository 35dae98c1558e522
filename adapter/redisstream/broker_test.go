package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/redisstream"
)

const patience = 30 * time.Second

// opened opens a broker that ends with the test.
func opened(t testing.TB, opener carillon.BrokerOpener) *redisstream.Broker {
	t.Helper()
	broker, err := opener.OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	return broker.(*redisstream.Broker)
}

func declared(t testing.TB, broker carillon.Broker, topic carillon.Topic) {
	t.Helper()
	if err := broker.Declare(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}

func joined(t testing.TB, broker carillon.Broker, options carillon.SubscribeOptions) carillon.Subscription {
	t.Helper()
	s, err := broker.Subscribe(t.Context(), "orders", "billing", options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func numbered(from, count int) []carillon.Message {
	messages := make([]carillon.Message, count)
	for i := range messages {
		messages[i] = carillon.Message{ID: fmt.Sprint(from + i), Type: "order.placed", Key: "k", Payload: []byte("{}")}
	}
	return messages
}

// received takes a number of deliveries, over errors that are said to pass.
func received(t testing.TB, from carillon.Subscription, count int) []carillon.Delivery {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var all []carillon.Delivery
	for len(all) < count {
		got, err := from.Receive(ctx, count-len(all))
		if err != nil && !errors.Is(err, carillon.ErrUnavailable) {
			t.Fatalf("%d of %d: %v", len(all), count, err)
		}
		all = append(all, got...)
	}
	return all
}

func inOrder(t testing.TB, got []carillon.Delivery, from int) {
	t.Helper()
	for i := range got {
		if want := fmt.Sprint(from + i); got[i].Message.ID != want {
			t.Fatalf("delivery %d is message %q, want %q", i, got[i].Message.ID, want)
		}
	}
}

func settled(t testing.TB, s carillon.Subscription, deliveries []carillon.Delivery) {
	t.Helper()
	if err := s.Ack(t.Context(), deliveries); err != nil {
		t.Fatal(err)
	}
}

// published publishes until the broker can be reached.
func published(t testing.TB, broker carillon.Broker, messages []carillon.Message) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for {
		err := broker.Publish(ctx, "orders", messages)
		if err == nil {
			return
		}
		if !errors.Is(err, carillon.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}

// until waits until something holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); {
		if time.Since(began) > patience {
			t.Fatal("not in time: " + what)
		}
	}
}

func oneTopic(partitions int) carillon.Topic {
	return carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: partitions}
}

// TestUnsafeSettings opens servers that may lose what they confirmed.
func TestUnsafeSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		arguments []string
		loss      redisstream.Loss
		confirm   carillon.Confirmation
	}{
		{"no append-only file", []string{"--appendonly", "no"}, redisstream.LossOnRestart, carillon.ConfirmedInMemory},
		{"flushed every second", []string{"--appendfsync", "everysec"}, redisstream.LossOfLastSeconds, carillon.ConfirmedBySystem},
		{"not flushed", []string{"--appendfsync", "no"}, redisstream.LossOfLastSeconds, carillon.ConfirmedBySystem},
		{"rewriting unflushed", []string{"--no-appendfsync-on-rewrite", "yes"}, redisstream.LossOfLastSeconds, carillon.ConfirmedBySystem},
		{"evicting", []string{"--maxmemory-policy", "allkeys-lru"}, redisstream.LossByEviction, carillon.ConfirmedFlushed},
		{"not telling", []string{"--rename-command", "CONFIG", ""}, redisstream.LossUnknown, carillon.ConfirmedInMemory},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, test.arguments...)
			if _, err := redisstream.Server(s.url).OpenBroker(t.Context()); !errors.Is(err, carillon.ErrUnsafe) {
				t.Errorf("%v, want ErrUnsafe", err)
			}
			can := opened(t, redisstream.Server(s.url, redisstream.WithPossibleLoss(test.loss))).Capabilities()
			if diff := cmp.Diff([]string{test.loss.String()}, can.Losses); diff != "" || can.Confirm != test.confirm {
				t.Errorf("confirmed %v, losses %s", can.Confirm, diff)
			}
		})
	}
}

func TestSafeSettings(t *testing.T) {
	t.Parallel()
	can := opened(t, redisstream.Server(serverURL(t))).Capabilities()
	if can.Confirm != carillon.ConfirmedFlushed || len(can.Losses) > 0 {
		t.Errorf("confirmed %v, losses %v", can.Confirm, can.Losses)
	}
}

// TestServerKilled kills the server and starts it again: what was published and not settled is there, in order, and the consumer
// goes on by itself.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	broker := opened(t, redisstream.Server(s.url, redisstream.Timeout(3*time.Second)))
	declared(t, broker, oneTopic(2))
	consumer := joined(t, broker, carillon.SubscribeOptions{AckDeadline: 3 * time.Second})
	published(t, broker, numbered(0, 10))
	settled(t, consumer, received(t, consumer, 4))
	until(t, "4 of 10 are settled", func() bool {
		got, err := broker.Probe(t.Context(), "orders", "billing")
		return err == nil && got.Waiting+got.Unsettled == 6
	})
	s.kill(t)
	err := broker.Publish(t.Context(), "orders", numbered(10, 3))
	if failed, ok := errors.AsType[*carillon.PublishError](err); !ok || !errors.Is(err, carillon.ErrUnavailable) || len(failed.Unconfirmed) != 3 {
		t.Errorf("publishing without a server: %v", err)
	}
	s.start(t)
	published(t, broker, numbered(10, 5))
	rest := received(t, consumer, 11)
	inOrder(t, rest, 4)
	settled(t, consumer, rest)
}

// TestServerFrozen stops the server's process: calls end in time, deliveries are lost once the lease has run out, and come again.
func TestServerFrozen(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	broker := opened(t, redisstream.Server(s.url, redisstream.Timeout(time.Second)))
	declared(t, broker, oneTopic(2))
	consumer := joined(t, broker, carillon.SubscribeOptions{AckDeadline: 2 * time.Second})
	published(t, broker, numbered(0, 10))
	held := received(t, consumer, 10)
	s.signal(t, syscall.SIGSTOP)
	began := time.Now()
	err := broker.Publish(t.Context(), "orders", numbered(10, 1))
	if took := time.Since(began); !errors.Is(err, carillon.ErrUnavailable) || took > 5*time.Second {
		t.Errorf("publishing without an answer: %v, after %v", err, took)
	}
	select {
	case <-held[0].Lost:
	case <-time.After(patience):
		t.Error("a delivery is not lost when the lease may have run out")
	}
	s.signal(t, syscall.SIGCONT)
	again := received(t, consumer, 10)
	inOrder(t, again, 0)
	if again[0].Attempt != 2 {
		t.Errorf("attempt %d, want 2", again[0].Attempt)
	}
}

// TestFormerOwnerIsFenced has the server take a consumer for dead that is not: what it still settles is passed over.
func TestFormerOwnerIsFenced(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	source := redisstream.Server(serverURL(t), redisstream.Prefix(prefix))
	broker, other := opened(t, source), opened(t, source)
	declared(t, broker, oneTopic(1))
	published(t, broker, numbered(0, 10))
	former := joined(t, broker, carillon.SubscribeOptions{})
	held := received(t, former, 10)
	members := prefix + ":{orders}:billing:members"
	c := client(t, serverURL(t))
	var present carillon.Subscription
	until(t, "the other consumer owns the partition", func() bool { // unless the former one was quicker to say that it lives
		if err := c.Del(t.Context(), members).Err(); err != nil {
			t.Fatal(err)
		}
		if present != nil {
			if err := present.Close(); err != nil {
				t.Fatal(err)
			}
		}
		present = joined(t, other, carillon.SubscribeOptions{})
		owner, err := c.HGet(t.Context(), prefix+":{orders}:billing", "epoch0").Int()
		return err == nil && owner > 1
	})
	settled(t, former, held)
	inOrder(t, received(t, present, 10), 0)
	select {
	case <-held[0].Lost:
	case <-time.After(patience):
		t.Error("the former owner was not told")
	}
	if err := former.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := other.Probe(t.Context(), "orders", "billing")
	if err != nil || left.Waiting+left.Unsettled != 10 {
		t.Errorf("%+v %v, want 10 messages", left, err)
	}
}

// TestOwnClient uses a client that the caller goes on using.
func TestOwnClient(t *testing.T) {
	t.Parallel()
	c := client(t, serverURL(t))
	broker, err := redisstream.Client(c, redisstream.Prefix(newPrefix(t))).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	declared(t, broker, oneTopic(1))
	published(t, broker, numbered(0, 3))
	inOrder(t, received(t, joined(t, broker, carillon.SubscribeOptions{}), 3), 0)
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("the caller's client afterwards: %v", err)
	}
}

// TestReplicated waits for replicas: one that is there, and a second that is not.
func TestReplicated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	options := s.client.Options()
	replica := newServer(t, "--replicaof", "127.0.0.1 "+options.Addr[len("127.0.0.1:"):])
	until(t, "the replica follows", func() bool {
		return replica.client.Do(t.Context(), "role").Err() == nil && s.client.Wait(t.Context(), 1, time.Second).Val() == 1
	})
	one := opened(t, redisstream.Server(s.url, redisstream.Replicated(1)))
	declared(t, one, oneTopic(1))
	published(t, one, numbered(0, 3))
	two := opened(t, redisstream.Server(s.url, redisstream.Replicated(2), redisstream.Timeout(time.Second)))
	err := two.Publish(t.Context(), "orders", numbered(3, 3))
	if failed, ok := errors.AsType[*carillon.PublishError](err); !ok || !errors.Is(err, carillon.ErrUnavailable) || len(failed.Unconfirmed) != 3 {
		t.Errorf("%v, want 3 messages unconfirmed", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	if _, err := redisstream.Server("redis://127.0.0.1:1/0").OpenBroker(t.Context()); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if _, err := redisstream.Server("redis://127.0.0.1:1/0", redisstream.Prefix("a:b")).OpenBroker(t.Context()); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
}
