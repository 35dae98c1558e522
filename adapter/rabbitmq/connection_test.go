package rabbitmq_test

import (
	"errors"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/faultproxy"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestConnectionCut cuts both connections: what was held is lost and comes again in order, and publishing goes on.
func TestConnectionCut(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	between, through := newProxy(t)
	broker := traffic.Open(t, rabbitmq.Server(through, rabbitmq.Prefix(p.prefix)))
	topic := traffic.Topic(2)
	p.topics["orders"] = topic
	traffic.Declare(t, broker, topic)
	traffic.Publish(t, broker, traffic.Numbered(0, 10))
	s := traffic.Join(t, broker, carillon.SubscribeOptions{})
	held := traffic.Receive(t, s, 10)
	if err := s.Ack(t.Context(), held[:4]); err != nil {
		t.Fatal(err)
	}
	waitUntilSettled(t, p, 6)
	between.Break()
	select {
	case <-held[9].Lost:
	case <-time.After(traffic.Patience):
		t.Fatal("a delivery of a connection that is gone is not lost")
	}
	if err := s.Ack(t.Context(), held[4:]); err != nil {
		t.Errorf("settling what is lost: %v", err)
	}
	traffic.Publish(t, broker, traffic.Numbered(10, 5))
	again := traffic.Receive(t, s, 11)
	traffic.InOrder(t, again, 4)
	if again[0].Attempt < 2 {
		t.Errorf("attempt %d of a delivery that came again", again[0].Attempt)
	}
}

// waitUntilSettled waits until a client of its own sees so many messages left.
func waitUntilSettled(t testing.TB, p *place, left int64) {
	t.Helper()
	broker := traffic.Open(t, p.source).(*rabbitmq.Broker)
	for began := time.Now(); ; {
		got, err := broker.Probe(t.Context(), "orders", "billing")
		if err != nil {
			t.Fatal(err)
		}
		if got.Waiting+got.Unsettled == left {
			return
		}
		if time.Since(began) > traffic.Patience {
			t.Fatalf("%+v, want %d messages", got, left)
		}
	}
}

// TestHalfOpen has nothing answered on the connections of one consumer: its calls end in time, another consumer takes over in order, and
// once it is over they succeed again.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	p := newPlace(t, rabbitmq.Heartbeat(time.Second))
	between, through := newProxy(t)
	frozen := traffic.Open(t, rabbitmq.Server(through, rabbitmq.Prefix(p.prefix), rabbitmq.Heartbeat(time.Second), rabbitmq.Timeout(2*time.Second)))
	topic := traffic.Topic(2)
	p.topics["orders"] = topic
	traffic.Declare(t, frozen, topic)
	traffic.Publish(t, frozen, traffic.Numbered(0, 10))
	held := traffic.Receive(t, traffic.Join(t, frozen, carillon.SubscribeOptions{}), 10)
	between.Set(faultproxy.HalfOpen())
	began := time.Now()
	err := frozen.Publish(t.Context(), "orders", traffic.Numbered(10, 3))
	failed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok || !errors.Is(err, carillon.ErrUnavailable) || len(failed.Unconfirmed) != 3 {
		t.Errorf("publishing without an answer: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	select {
	case <-held[0].Lost:
	case <-time.After(10 * time.Second):
		t.Fatal("a delivery of a dead connection is not lost")
	}
	other := traffic.Open(t, p.source)
	traffic.InOrder(t, traffic.Receive(t, traffic.Join(t, other, carillon.SubscribeOptions{}), 10), 0)
	between.Heal()
	traffic.Publish(t, frozen, traffic.Numbered(10, 1))
}

// TestDeclaredAgain has the server lose a topic: with the next connection it is there again.
func TestDeclaredAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	between, through := newProxy(t)
	broker := traffic.Open(t, rabbitmq.Server(through, rabbitmq.Prefix(p.prefix)))
	topic := traffic.Topic(1)
	p.topics["orders"] = topic
	traffic.Declare(t, broker, topic)
	traffic.Publish(t, broker, traffic.Numbered(0, 1))
	s := traffic.Join(t, broker, carillon.SubscribeOptions{})
	if err := s.Ack(t.Context(), traffic.Receive(t, s, 1)); err != nil {
		t.Fatal(err)
	}
	p.clean(t)
	between.Break()
	traffic.Publish(t, broker, traffic.Numbered(1, 2))
	traffic.InOrder(t, traffic.Receive(t, s, 2), 1)
}

// TestUnreachable opens nothing where nobody listens.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	_, err := rabbitmq.Server("amqp://127.0.0.1:1/").OpenBroker(t.Context())
	if !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if _, err := rabbitmq.Server("amqp://127.0.0.1:1/", rabbitmq.Prefix("a:b")).OpenBroker(t.Context()); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
}

// TestServerKilled stops a server, and later kills it, and starts it again: what was confirmed is there, in order, and client and consumer go on by
// themselves.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	node := backends.Start(t, backends.RabbitMQNode)
	broker := traffic.Open(t, rabbitmq.Server(node.Address, rabbitmq.Timeout(5*time.Second)))
	traffic.Declare(t, broker, traffic.Topic(2))
	s := traffic.Join(t, broker, carillon.SubscribeOptions{})
	node.Stop(t) // only then has it written down that there are new queues
	node.Restart(t)
	traffic.Publish(t, broker, traffic.Numbered(0, 50))
	held := traffic.Receive(t, s, 50)
	node.Kill(t)
	if err := broker.Publish(t.Context(), "orders", traffic.Numbered(50, 3)); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("publishing without a server: %v", err)
	}
	select {
	case <-held[0].Lost:
	case <-time.After(traffic.Patience):
		t.Fatal("a delivery of a server that is gone is not lost")
	}
	node.Restart(t)
	traffic.Publish(t, broker, traffic.Numbered(50, 10))
	again := traffic.Receive(t, s, 60)
	traffic.InOrder(t, again, 0)
	if err := s.Ack(t.Context(), again); err != nil {
		t.Fatal(err)
	}
}
