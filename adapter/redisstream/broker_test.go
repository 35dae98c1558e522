package redisstream_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/redisstream"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/internal/traffic"
)

// opened opens a broker that ends with the test.
func opened(t testing.TB, opener carillon.BrokerOpener) *redisstream.Broker {
	t.Helper()
	return traffic.Open(t, opener).(*redisstream.Broker)
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
	traffic.Declare(t, broker, traffic.Topic(2))
	consumer := traffic.Join(t, broker, carillon.SubscribeOptions{AckDeadline: 3 * time.Second})
	traffic.Publish(t, broker, traffic.Numbered(0, 10))
	traffic.Settle(t, consumer, traffic.Receive(t, consumer, 4))
	processes.AwaitFor(t, "4 of 10 are settled", traffic.Patience, func() bool {
		got, err := broker.Probe(t.Context(), "orders", "billing")
		return err == nil && got.Waiting+got.Unsettled == 6
	})
	s.kill(t)
	err := broker.Publish(t.Context(), "orders", traffic.Numbered(10, 3))
	if failed, ok := errors.AsType[*carillon.PublishError](err); !ok || !errors.Is(err, carillon.ErrUnavailable) || len(failed.Unconfirmed) != 3 {
		t.Errorf("publishing without a server: %v", err)
	}
	s.start(t)
	traffic.Publish(t, broker, traffic.Numbered(10, 5))
	rest := traffic.Receive(t, consumer, 11)
	traffic.InOrder(t, rest, 4)
	traffic.Settle(t, consumer, rest)
}

// TestServerFrozen stops the server's process: calls end in time, deliveries are lost once the lease has run out, and come again.
func TestServerFrozen(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	broker := opened(t, redisstream.Server(s.url, redisstream.Timeout(time.Second)))
	traffic.Declare(t, broker, traffic.Topic(2))
	consumer := traffic.Join(t, broker, carillon.SubscribeOptions{AckDeadline: 2 * time.Second})
	traffic.Publish(t, broker, traffic.Numbered(0, 10))
	held := traffic.Receive(t, consumer, 10)
	s.signal(t, syscall.SIGSTOP)
	began := time.Now()
	err := broker.Publish(t.Context(), "orders", traffic.Numbered(10, 1))
	if took := time.Since(began); !errors.Is(err, carillon.ErrUnavailable) || took > 5*time.Second {
		t.Errorf("publishing without an answer: %v, after %v", err, took)
	}
	select {
	case <-held[0].Lost:
	case <-time.After(traffic.Patience):
		t.Error("a delivery is not lost when the lease may have run out")
	}
	s.signal(t, syscall.SIGCONT)
	again := traffic.Receive(t, consumer, 10)
	traffic.InOrder(t, again, 0)
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
	traffic.Declare(t, broker, traffic.Topic(1))
	traffic.Publish(t, broker, traffic.Numbered(0, 10))
	former := traffic.Join(t, broker, carillon.SubscribeOptions{})
	held := traffic.Receive(t, former, 10)
	members := prefix + ":{orders}:billing:members"
	c := client(t, serverURL(t))
	var present carillon.Subscription
	processes.AwaitFor(t, "the other consumer owns the partition", traffic.Patience, func() bool { // unless the former one was quicker to say that it lives
		if err := c.Del(t.Context(), members).Err(); err != nil {
			t.Fatal(err)
		}
		if present != nil {
			if err := present.Close(); err != nil {
				t.Fatal(err)
			}
		}
		present = traffic.Join(t, other, carillon.SubscribeOptions{})
		owner, err := c.HGet(t.Context(), prefix+":{orders}:billing", "epoch0").Int()
		return err == nil && owner > 1
	})
	traffic.Settle(t, former, held)
	traffic.InOrder(t, traffic.Receive(t, present, 10), 0)
	select {
	case <-held[0].Lost:
	case <-time.After(traffic.Patience):
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
	traffic.Declare(t, broker, traffic.Topic(1))
	traffic.Publish(t, broker, traffic.Numbered(0, 3))
	traffic.InOrder(t, traffic.Receive(t, traffic.Join(t, broker, carillon.SubscribeOptions{}), 3), 0)
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
	processes.AwaitFor(t, "the replica follows", traffic.Patience, func() bool {
		return replica.client.Do(t.Context(), "role").Err() == nil && s.client.Wait(t.Context(), 1, time.Second).Val() == 1
	})
	one := opened(t, redisstream.Server(s.url, redisstream.Replicated(1)))
	traffic.Declare(t, one, traffic.Topic(1))
	traffic.Publish(t, one, traffic.Numbered(0, 3))
	two := opened(t, redisstream.Server(s.url, redisstream.Replicated(2), redisstream.Timeout(time.Second)))
	err := two.Publish(t.Context(), "orders", traffic.Numbered(3, 3))
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
