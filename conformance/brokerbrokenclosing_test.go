package conformance

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

func brokenClosing() []brokenBroker {
	both := []string{"close a subscription", "close the broker"}
	broker := []string{"close the broker"}
	return []brokenBroker{
		{"leaves those that receive waiting", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if errors.Is(err, carillon.ErrClosed) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return deliveries, err
			}
		}), both},
		{"leaves those that receive waiting for good", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if errors.Is(err, carillon.ErrClosed) {
					letPass(context.Background(), checkPatience)
				}
				return deliveries, err
			}
		}), both},
		{"cannot be closed twice", alterBroker(func(b *alteredBroker) {
			var closed atomic.Bool
			b.close = func() error {
				if closed.Swap(true) {
					return carillon.ErrClosed
				}
				return b.Broker.Close()
			}
		}), broker},
		{"has subscriptions that cannot be closed twice", alterSubscriptions(func(s *alteredSubscription) {
			var closed atomic.Bool
			s.close = func() error {
				if closed.Swap(true) {
					return carillon.ErrClosed
				}
				return s.inner.Close()
			}
		}), []string{"close a subscription"}},
		{"is used after it was closed", alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
			return func(b *alteredBroker) {
				b.declare = func(ctx context.Context, topics []carillon.Topic) error { return home.Declare(ctx, topics...) }
			}
		}), broker},
		{"publishes after it was closed", alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
			return func(b *alteredBroker) { b.publish = home.Publish }
		}), broker},
		{"is joined after it was closed", alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
			return func(b *alteredBroker) {
				b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
					if joined, err := b.join(ctx, topic, name, options); !errors.Is(err, carillon.ErrClosed) {
						return joined, err
					}
					return home.Subscribe(ctx, topic, name, options)
				}
			}
		}), broker},
		{"probes after it was closed", alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
			return func(b *alteredBroker) { b.probe = home.(carillon.Prober).Probe }
		}), broker},
		{"leaves subscriptions open", alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
			return func(b *alteredBroker) {
				b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
					if err := b.Broker.Declare(ctx); err != nil {
						return nil, err
					}
					return home.Subscribe(ctx, topic, name, options)
				}
			}
		}), broker},
		{"closes all clients", alterPlace(func(carillon.Broker) func(b *alteredBroker) {
			var mu sync.Mutex
			var all []carillon.Broker
			return func(b *alteredBroker) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, b.Broker)
				b.close = func() error {
					mu.Lock()
					defer mu.Unlock()
					var failures []error
					for _, client := range all {
						failures = append(failures, client.Close())
					}
					return errors.Join(failures...)
				}
			}
		}), broker},
		{"loses what waits when it is closed", alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
			return func(b *alteredBroker) {
				var at [][2]string
				b.joined = func(s *alteredSubscription) { at = append(at, [2]string{s.topic, s.name}) }
				b.close = func() error {
					err := b.Broker.Close()
					for _, place := range at {
						empty(context.Background(), home, place[0], place[1])
					}
					return err
				}
			}
		}), []string{"open again"}},
		{"forgets what was settled when it is closed", recalling(), []string{"open again"}},
	}
}
