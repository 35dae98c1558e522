package messaging_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/messaging"
)

// strict is a broker whose deliveries are a consumer's for as long as it asks for, and are lost when it does not extend them within that.
type strict struct {
	carillon.Broker
	mu       sync.Mutex
	deadline time.Duration
	joined   []*strictSubscription
}

func (s *strict) OpenBroker(context.Context) (carillon.Broker, error) { return s, nil }

func (s *strict) Subscribe(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	inner, err := s.Broker.Subscribe(ctx, topic, name, options)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = options.AckDeadline
	s.joined = append(s.joined, &strictSubscription{Subscription: inner, deadline: options.AckDeadline, lost: make(chan struct{})})
	return s.joined[len(s.joined)-1], nil
}

// asked is the deadline of the last consumer.
func (s *strict) asked() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline
}

type strictSubscription struct {
	carillon.Subscription
	deadline time.Duration
	lost     chan struct{}

	mu    sync.Mutex
	timer *time.Timer
}

func (s *strictSubscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	deliveries, err := s.Subscription.Receive(ctx, limit)
	for i := range deliveries {
		deliveries[i].Lost = s.lost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(deliveries) > 0 && s.timer == nil {
		s.timer = time.AfterFunc(s.deadline, func() { close(s.lost) })
	}
	return deliveries, err
}

func (s *strictSubscription) Extend(context.Context, []carillon.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Reset(s.deadline)
	return nil
}

// TestDeadline has a message wait for much longer than its deadline: the deadline the broker is asked for is that of the consumer, and the
// message is extended within it and not lost.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		parts []messaging.ConsumerPart
		want  time.Duration
	}{
		{"default", nil, 30 * time.Second},
		{"short", []messaging.ConsumerPart{messaging.AckDeadline(3 * time.Second)}, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				broker, orders := &strict{Broker: memory.Volatile().Broker()}, ordersTopic()
				e := messaging.NewEngine(memory.Volatile(), messaging.Over(broker))
				var handled book
				begin := time.Now()
				slow := messaging.On(func(_ context.Context, _ *messaging.Tx, p placed) error {
					if time.Since(begin) < 10*test.want {
						return carillon.ErrUnavailable
					}
					handled.note(p.Order, p.Number)
					return nil
				})
				must(t, e.Publishes(orders), e.Add(messaging.Consume("shipping", orders, append(test.parts, slow)...)))
				stop := run(t, e)
				must(t, e.Publish(t.Context(), orders, placed{"order", 1}))
				elapse(20*test.want + time.Minute)
				stop()
				if got := broker.asked(); got != test.want {
					t.Errorf("the broker was asked for a deadline of %v, want %v", got, test.want)
				}
				if len(handled.of("order")) != 1 {
					t.Error("the message was lost while it waited")
				}
			})
		})
	}
}
