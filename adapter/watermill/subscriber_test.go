package watermill_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/watermill"
	"github.com/carillon-go/carillon/internal/traffic"
)

// keyed publishes messages of one key, whose UUIDs are numbers.
func keyed(t *testing.T, publisher message.Publisher, from, count int) {
	t.Helper()
	for i := range count {
		m := message.NewMessage(fmt.Sprint(from+i), []byte("payload"))
		m.Metadata.Set(watermill.MetadataKey, "k")
		m.Metadata.Set("number", fmt.Sprint(from+i))
		if err := publisher.Publish("orders", m); err != nil {
			t.Fatal(err)
		}
	}
}

// subscribed subscribes until the test ends.
func subscribed(t *testing.T, s *watermill.Subscriber) <-chan *message.Message {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	messages, err := s.Subscribe(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// next takes a message, which must have a UUID.
func next(t *testing.T, from <-chan *message.Message, uuid string) *message.Message {
	t.Helper()
	select {
	case m, ok := <-from:
		if !ok || m.UUID != uuid {
			t.Fatalf("got %v (open %v), want %q", m, ok, uuid)
		}
		return m
	case <-time.After(time.Minute):
		t.Fatalf("nothing comes, want %q", uuid)
		return nil
	}
}

func silent(t *testing.T, from <-chan *message.Message) {
	t.Helper()
	synctest.Wait()
	select {
	case m, ok := <-from:
		t.Fatalf("got %v (open %v), want nothing", m, ok)
	default:
	}
}

// left is how many messages of the subscription are not settled.
func left(t *testing.T, broker carillon.Broker) int64 {
	t.Helper()
	synctest.Wait()
	backlog, err := broker.(carillon.Prober).Probe(t.Context(), "orders", "billing")
	if err != nil {
		t.Fatal(err)
	}
	return backlog.Waiting + backlog.Unsettled
}

// The user of watermill acknowledges; what is refused comes again before what is behind it.
func TestAckAndNack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := traffic.Open(t, memory.Volatile())
		subscriber := watermill.NewSubscriber(broker, "billing", watermill.RedeliverAfter(time.Second))
		messages := subscribed(t, subscriber)
		keyed(t, watermill.NewPublisher(broker), 1, 3)
		first := next(t, messages, "1")
		silent(t, messages) // one at a time
		if first.Metadata["number"] != "1" || first.Metadata[watermill.MetadataKey] != "k" || len(first.Metadata) != 2 {
			t.Errorf("its metadata are %v", first.Metadata)
		}
		first.Payload[0] = '!' // a handler may do that
		began := time.Now()
		first.Nack()
		again := next(t, messages, "1")
		if time.Since(began) != time.Second || string(again.Payload) != "payload" {
			t.Errorf("after %v it comes again with payload %q, want it after 1 s as it was", time.Since(began), again.Payload)
		}
		if first.Context().Err() == nil || again.Context().Err() != nil {
			t.Errorf("the contexts of the message that was refused and of the one at hand end with %v and %v", first.Context().Err(), again.Context().Err())
		}
		if got := left(t, broker); got != 3 {
			t.Errorf("%d messages are left, want 3", got)
		}
		again.Ack()
		next(t, messages, "2").Ack()
		if again.Context().Err() == nil {
			t.Error("the context of an acknowledged message goes on")
		}
		next(t, messages, "3").Ack()
		silent(t, messages)
		if got := left(t, broker); got != 0 {
			t.Errorf("%d messages are left, want none", got)
		}
	})
}

// What was not acknowledged comes again when the subscriber was closed, or its context has ended.
func TestClosingTheSubscriber(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, s *watermill.Subscriber, stop context.CancelFunc){
		"Close": func(t *testing.T, s *watermill.Subscriber, _ context.CancelFunc) {
			t.Helper()
			var closing sync.WaitGroup
			for range 2 {
				closing.Go(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			closing.Wait()
			if _, err := s.Subscribe(t.Context(), "orders"); !errors.Is(err, carillon.ErrClosed) {
				t.Errorf("subscribing afterwards gives error %v, want ErrClosed", err)
			}
		},
		"context": func(_ *testing.T, _ *watermill.Subscriber, stop context.CancelFunc) { stop(); synctest.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				broker := traffic.Open(t, memory.Volatile())
				subscriber := watermill.NewSubscriber(broker, "billing")
				defer subscriber.Close()
				type key struct{}
				ctx, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
				defer stop()
				messages, err := subscriber.Subscribe(ctx, "orders")
				if err != nil {
					t.Fatal(err)
				}
				keyed(t, watermill.NewPublisher(broker), 1, 3)
				next(t, messages, "1").Ack()
				held := next(t, messages, "2")
				if held.Context().Value(key{}) != "value" {
					t.Error("the context of a message lacks the subscriber's values")
				}
				end(t, subscriber, stop)
				if held.Context().Err() == nil {
					t.Error("the context of the message at hand goes on")
				}
				if m, open := <-messages; open {
					t.Errorf("message %q comes when the channel is to be closed", m.UUID)
				}
				held.Ack() // too late
				if got := left(t, broker); got != 2 {
					t.Errorf("%d messages are left, want 2", got)
				}
				again := subscribed(t, watermill.NewSubscriber(broker, "billing"))
				next(t, again, "2").Ack()
				next(t, again, "3").Ack()
			})
		})
	}
}

// Subscribers of one name compete, those of others each get everything.
func TestSubscriptionNames(t *testing.T) {
	t.Parallel()
	broker := traffic.Open(t, memory.Volatile())
	names := []string{"billing", "billing", "shipping"}
	subscribers := make([]<-chan *message.Message, len(names))
	for i, name := range names {
		s := watermill.NewSubscriber(broker, name)
		if err := s.SubscribeInitialize("orders"); err != nil {
			t.Fatal(err)
		}
		subscribers[i] = subscribed(t, s)
	}
	const count = 200
	publisher := watermill.NewPublisher(broker)
	for i := range count {
		if err := publisher.Publish("orders", message.NewMessage(fmt.Sprint(i), nil)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]map[string]int{"billing": {}, "shipping": {}}
	byBilling := [2]int{}
	for range 2 * count {
		var m *message.Message
		name := "billing"
		select {
		case m = <-subscribers[0]:
			byBilling[0]++
		case m = <-subscribers[1]:
			byBilling[1]++
		case m = <-subscribers[2]:
			name = "shipping"
		}
		got[name][m.UUID]++
		m.Ack()
	}
	if len(got["billing"]) != count || len(got["shipping"]) != count || byBilling[0] == 0 || byBilling[1] == 0 {
		t.Errorf("billing got %d messages, %v by its subscribers, shipping %d, of %d", len(got["billing"]), byBilling, len(got["shipping"]), count)
	}
}

// A message that another consumer has is let go: its context ends, and those behind it are not handed out.
func TestLostMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := traffic.Open(t, memory.Volatile())
		first := subscribed(t, watermill.NewSubscriber(broker, "billing"))
		publisher := watermill.NewPublisher(broker)
		key := "a" // of the last partition, which a second consumer is given
		for carillon.Partition(key, carillon.DefaultPartitions) != carillon.DefaultPartitions-1 {
			key += "a"
		}
		for i := range 3 {
			m := message.NewMessage(fmt.Sprint(i), nil)
			m.Metadata.Set(watermill.MetadataKey, key)
			if err := publisher.Publish("orders", m); err != nil {
				t.Fatal(err)
			}
		}
		held := next(t, first, "0")
		second := subscribed(t, watermill.NewSubscriber(broker, "billing"))
		synctest.Wait()
		if held.Context().Err() == nil {
			t.Fatal("the context of a message that was given to another goes on")
		}
		held.Ack() // passed over
		silent(t, first)
		for i := range 3 {
			next(t, second, fmt.Sprint(i)).Ack()
		}
		silent(t, first)
		if got := left(t, broker); got != 0 {
			t.Errorf("%d messages are left, want none", got)
		}
	})
}

// troubled is a broker whose subscriptions fail for a while, and have deadlines.
type troubled struct {
	carillon.Broker
	mu       sync.Mutex
	failures int // of the next calls of Receive and Ack
	extended int
}

func (b *troubled) trouble() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == 0 {
		return nil
	}
	b.failures--
	return carillon.ErrUnavailable
}

func (b *troubled) Subscribe(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	inner, err := b.Broker.Subscribe(ctx, topic, name, options)
	return &troubledSubscription{inner, b}, err
}

type troubledSubscription struct {
	carillon.Subscription
	broker *troubled
}

func (s *troubledSubscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	if err := s.broker.trouble(); err != nil {
		return nil, err
	}
	return s.Subscription.Receive(ctx, limit)
}

func (s *troubledSubscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := s.broker.trouble(); err != nil {
		return err
	}
	return s.Subscription.Ack(ctx, deliveries)
}

func (s *troubledSubscription) Extend(_ context.Context, deliveries []carillon.Delivery) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	s.broker.extended += len(deliveries)
	return nil
}

// What a broker does not do is tried again, and what is worked on is kept from being given to others.
func TestTroubledBroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := &troubled{Broker: traffic.Open(t, memory.Volatile()), failures: 3}
		messages := subscribed(t, watermill.NewSubscriber(broker, "billing", watermill.AckDeadline(3*time.Second)))
		keyed(t, watermill.NewPublisher(broker), 1, 2)
		first := next(t, messages, "1")
		<-time.After(2500 * time.Millisecond) // the time of the bubble
		broker.mu.Lock()
		if broker.extended != 4 { // both, twice
			t.Errorf("%d deliveries were extended, want 4", broker.extended)
		}
		broker.failures = 3
		broker.mu.Unlock()
		first.Ack()
		next(t, messages, "2").Ack()
		<-time.After(time.Minute) // the time of the bubble
		if got := left(t, broker.Broker); got != 0 {
			t.Errorf("%d messages are left, want none", got)
		}
	})
}

// What is acknowledged right before the end is settled.
func TestSettledAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := traffic.Open(t, memory.Volatile())
		publisher := watermill.NewPublisher(broker)
		for i := range 100 {
			s := watermill.NewSubscriber(broker, "billing")
			messages, err := s.Subscribe(t.Context(), "orders")
			if err != nil {
				t.Fatal(err)
			}
			keyed(t, publisher, i, 1)
			m := next(t, messages, fmt.Sprint(i))
			m.Ack()
			<-m.Context().Done()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got := left(t, broker); got != 0 {
			t.Errorf("%d messages are left, want none", got)
		}
	})
}

func TestPublisher(t *testing.T) {
	t.Parallel()
	broker := traffic.Open(t, memory.Volatile())
	publisher := watermill.NewPublisher(broker)
	if err := publisher.Publish("orders", message.NewMessage("1", nil)); !errors.Is(err, carillon.ErrNotFound) {
		t.Errorf("publishing to a topic nobody has declared gives error %v, want ErrNotFound", err)
	}
	messages := subscribed(t, watermill.NewSubscriber(broker, "billing", watermill.Topics(func(name string) carillon.Topic {
		return carillon.Topic{Name: name, Partitions: 1}
	})))
	if err := publisher.Publish("orders"); err != nil {
		t.Errorf("publishing nothing gives error %v", err)
	}
	if err := publisher.Publish("orders", message.NewMessage("a\nb", nil)); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("publishing a UUID that is no id gives error %v, want ErrInvalid", err)
	}
	if err := publisher.Publish("orders", message.NewMessage("1", make([]byte, carillon.MaxPayload+1))); !errors.Is(err, carillon.ErrTooLarge) {
		t.Errorf("publishing too much gives error %v, want ErrTooLarge", err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	for i := range 2 {
		batch := []*message.Message{message.NewMessage("1", nil), message.NewMessage("2", nil)}
		batch[i].SetContext(ended)
		if err := publisher.Publish("orders", batch...); i == 0 && !errors.Is(err, context.Canceled) {
			t.Errorf("publishing with a context that has ended gives error %v", err)
		}
	}
	if err := publisher.Close(); err != nil {
		t.Fatal(err)
	}
	if err := publisher.Close(); err != nil {
		t.Fatal(err)
	}
	if err := publisher.Publish("orders", message.NewMessage("1", nil)); !errors.Is(err, carillon.ErrClosed) {
		t.Errorf("publishing afterwards gives error %v, want ErrClosed", err)
	}
	event := carillon.Message{ID: "e", Type: "order.placed", Key: "k", Payload: []byte("{}")}
	if err := broker.Publish(t.Context(), "orders", []carillon.Message{event}); err != nil {
		t.Fatalf("the broker was closed with the publisher: %v", err)
	}
	for m := range messages {
		m.Ack()
		if m.UUID != "e" {
			continue
		}
		want := message.Metadata{
			"ce_specversion": "1.0", "ce_id": "e", "ce_source": "carillon", "ce_type": "order.placed", "ce_partitionkey": "k",
			"content-type": "application/json",
		}
		if diff := cmp.Diff(want, m.Metadata); diff != "" {
			t.Errorf("an event's metadata (-want +got):\n%s", diff)
		}
		break
	}
}

// slow is a broker that publishes when it is let.
type slow struct {
	carillon.Broker
	begun, free chan struct{}
}

func (b slow) Publish(ctx context.Context, _ string, _ []carillon.Message) error {
	b.begun <- struct{}{}
	select {
	case <-b.free:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Closing waits for what is being published; a call ends by the context of any of its messages, or in time.
func TestPublisherThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := slow{begun: make(chan struct{}, 3), free: make(chan struct{})}
		publisher := watermill.NewPublisher(broker, watermill.PublishTimeout(time.Minute))
		began := time.Now()
		if err := publisher.Publish("orders", message.NewMessage("1", nil)); !errors.Is(err, carillon.ErrTimeout) || time.Since(began) != time.Minute {
			t.Errorf("got error %v after %v, want ErrTimeout after a minute", err, time.Since(began))
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		second := message.NewMessage("2", nil)
		second.SetContext(ctx)
		began = time.Now()
		if err := publisher.Publish("orders", message.NewMessage("1", nil), second); err == nil || time.Since(began) != time.Second {
			t.Errorf("got error %v after %v, want one after a second", err, time.Since(began))
		}
		var published error
		go func() { published = publisher.Publish("orders", message.NewMessage("1", nil)) }()
		synctest.Wait()
		closed := false
		go func() { _ = publisher.Close(); closed = true }()
		synctest.Wait()
		if closed {
			t.Error("it was closed while it published")
		}
		close(broker.free)
		synctest.Wait()
		if !closed || published != nil {
			t.Errorf("it was closed: %v, publishing gives error %v", closed, published)
		}
	})
}
