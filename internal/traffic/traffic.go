// Package traffic sends messages through brokers and takes them from there, for tests of adapters: messages of one key with the numbers of
// their order as ids, through the topic "orders" to the subscription "billing".
package traffic

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
)

// Patience is how long a test waits for what must come.
const Patience = 30 * time.Second

const (
	topic        = "orders"
	subscription = "billing"
)

// Open opens a broker that is closed when the test ends.
func Open(t testing.TB, opener carillon.BrokerOpener) carillon.Broker {
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

// Topic is the topic with its subscription.
func Topic(partitions int) carillon.Topic {
	return carillon.Topic{Name: topic, Subscriptions: []string{subscription}, Partitions: partitions}
}

// Declare declares a topic.
func Declare(t testing.TB, broker carillon.Broker, topic carillon.Topic) {
	t.Helper()
	if err := broker.Declare(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}

// Join joins the subscription.
func Join(t testing.TB, broker carillon.Broker, options carillon.SubscribeOptions) carillon.Subscription {
	t.Helper()
	s, err := broker.Subscribe(t.Context(), topic, subscription, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Numbered makes so many messages, with numbers from one on.
func Numbered(from, count int) []carillon.Message {
	messages := make([]carillon.Message, count)
	for i := range messages {
		messages[i] = carillon.Message{ID: fmt.Sprint(from + i), Type: "order.placed", Key: "k", Payload: []byte("{}")}
	}
	return messages
}

// Publish publishes messages, again until the broker can be reached.
func Publish(t testing.TB, broker carillon.Broker, messages []carillon.Message) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), Patience)
	defer stop()
	for {
		err := broker.Publish(ctx, topic, messages)
		if err == nil {
			return
		}
		if !errors.Is(err, carillon.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}

// Receive takes so many deliveries, over errors that are said to pass.
func Receive(t testing.TB, from carillon.Subscription, count int) []carillon.Delivery {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), Patience)
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

// InOrder fails unless deliveries are of numbered messages, in order from one on.
func InOrder(t testing.TB, got []carillon.Delivery, from int) {
	t.Helper()
	for i := range got {
		if want := fmt.Sprint(from + i); got[i].Message.ID != want {
			t.Fatalf("delivery %d is message %q, want %q", i, got[i].Message.ID, want)
		}
	}
}

// Settle settles deliveries.
func Settle(t testing.TB, s carillon.Subscription, deliveries []carillon.Delivery) {
	t.Helper()
	if err := s.Ack(t.Context(), deliveries); err != nil {
		t.Fatal(err)
	}
}
