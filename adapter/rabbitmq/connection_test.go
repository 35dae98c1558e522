package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/faultproxy"
)

const patience = 30 * time.Second

// opened opens a broker that ends with the test.
func opened(t testing.TB, opener carillon.BrokerOpener) carillon.Broker {
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
	return broker
}

func declared(t testing.TB, broker carillon.Broker, topic carillon.Topic) {
	t.Helper()
	if err := broker.Declare(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}

func joined(t testing.TB, broker carillon.Broker) carillon.Subscription {
	t.Helper()
	s, err := broker.Subscribe(t.Context(), "orders", "billing", carillon.SubscribeOptions{})
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

// TestConnectionCut cuts both connections: what was held is lost and comes again in order, and publishing goes on.
func TestConnectionCut(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	between, through := newProxy(t)
	broker := opened(t, rabbitmq.Server(through, rabbitmq.Prefix(p.prefix)))
	topic := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 2}
	p.topics["orders"] = topic
	declared(t, broker, topic)
	published(t, broker, numbered(0, 10))
	s := joined(t, broker)
	held := received(t, s, 10)
	if err := s.Ack(t.Context(), held[:4]); err != nil {
		t.Fatal(err)
	}
	waitUntilSettled(t, p, 6)
	between.Break()
	select {
	case <-held[9].Lost:
	case <-time.After(patience):
		t.Fatal("a delivery of a connection that is gone is not lost")
	}
	if err := s.Ack(t.Context(), held[4:]); err != nil {
		t.Errorf("settling what is lost: %v", err)
	}
	published(t, broker, numbered(10, 5))
	again := received(t, s, 11)
	inOrder(t, again, 4)
	if again[0].Attempt < 2 {
		t.Errorf("attempt %d of a delivery that came again", again[0].Attempt)
	}
}

// waitUntilSettled waits until a client of its own sees so many messages left.
func waitUntilSettled(t testing.TB, p *place, left int64) {
	t.Helper()
	broker := opened(t, p.source).(*rabbitmq.Broker)
	for began := time.Now(); ; {
		got, err := broker.Probe(t.Context(), "orders", "billing")
		if err != nil {
			t.Fatal(err)
		}
		if got.Waiting+got.Unsettled == left {
			return
		}
		if time.Since(began) > patience {
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
	frozen := opened(t, rabbitmq.Server(through, rabbitmq.Prefix(p.prefix), rabbitmq.Heartbeat(time.Second), rabbitmq.Timeout(2*time.Second)))
	topic := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 2}
	p.topics["orders"] = topic
	declared(t, frozen, topic)
	published(t, frozen, numbered(0, 10))
	held := received(t, joined(t, frozen), 10)
	between.Set(faultproxy.HalfOpen())
	began := time.Now()
	err := frozen.Publish(t.Context(), "orders", numbered(10, 3))
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
	other := opened(t, p.source)
	inOrder(t, received(t, joined(t, other), 10), 0)
	between.Heal()
	published(t, frozen, numbered(10, 1))
}

// TestDeclaredAgain has the server lose a topic: with the next connection it is there again.
func TestDeclaredAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	between, through := newProxy(t)
	broker := opened(t, rabbitmq.Server(through, rabbitmq.Prefix(p.prefix)))
	topic := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1}
	p.topics["orders"] = topic
	declared(t, broker, topic)
	published(t, broker, numbered(0, 1))
	s := joined(t, broker)
	if err := s.Ack(t.Context(), received(t, s, 1)); err != nil {
		t.Fatal(err)
	}
	p.clean(t)
	between.Break()
	published(t, broker, numbered(1, 2))
	inOrder(t, received(t, s, 2), 1)
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
	broker := opened(t, rabbitmq.Server(node.Address, rabbitmq.Timeout(5*time.Second)))
	declared(t, broker, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 2})
	s := joined(t, broker)
	node.Stop(t) // only then has it written down that there are new queues
	node.Restart(t)
	published(t, broker, numbered(0, 50))
	held := received(t, s, 50)
	node.Kill(t)
	if err := broker.Publish(t.Context(), "orders", numbered(50, 3)); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("publishing without a server: %v", err)
	}
	select {
	case <-held[0].Lost:
	case <-time.After(patience):
		t.Fatal("a delivery of a server that is gone is not lost")
	}
	node.Restart(t)
	published(t, broker, numbered(50, 10))
	again := received(t, s, 60)
	inOrder(t, again, 0)
	if err := s.Ack(t.Context(), again); err != nil {
		t.Fatal(err)
	}
}
