package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/carillon-go/carillon"
)

func brokenSharing() []brokenBroker {
	taken := []string{"deliveries are taken away"}
	return []brokenBroker{
		{"delivers to every consumer", toEveryone(), []string{"consumers share"}},
		{"leaves everything with the first consumer", firstComes(), []string{"consumers share", "deliveries are taken away"}},
		{"never tells that a delivery was lost", alterDeliveries(func(delivery *carillon.Delivery) { delivery.Lost = make(chan struct{}) }), taken},
		{"settles what another consumer has", settlingForOthers(), taken},
		{"refuses to settle what was lost", alterSubscriptions(func(s *alteredSubscription) {
			s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
				for i := range deliveries {
					if isLost(&deliveries[i]) {
						return carillon.ErrConflict
					}
				}
				return s.inner.Ack(ctx, deliveries)
			}
		}), taken},
		{"settles nothing when something was lost", alterSubscriptions(func(s *alteredSubscription) {
			s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
				for i := range deliveries {
					if isLost(&deliveries[i]) {
						return nil
					}
				}
				return s.inner.Ack(ctx, deliveries)
			}
		}), taken},
		{"gives a new owner what is newer first", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				slices.SortStableFunc(deliveries, func(a, b carillon.Delivery) int { return cmp.Compare(min(a.Attempt, 2), min(b.Attempt, 2)) })
				return deliveries, err
			}
		}), []string{"order among consumers"}},
		{"gives a new owner what was left when the rest is done", leftovers(), []string{"order among consumers", "a consumer leaves"}},
		{"forgets what the one that leaves had", forgettingLeavers(), []string{"a consumer leaves", "order among consumers"}},
	}
}

// toEveryone gives each further consumer of a subscription a subscription of its own.
func toEveryone() BrokerOpener {
	return alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
		var mu sync.Mutex
		consumers := make(map[[2]string]int)
		return func(b *alteredBroker) {
			b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
				mu.Lock()
				defer mu.Unlock()
				at := [2]string{topic, name}
				if consumers[at]++; consumers[at] > 1 {
					name = fmt.Sprintf("%s-%d", name, consumers[at])
					if err := home.Declare(ctx, carillon.Topic{Name: topic, Subscriptions: []string{name}}); err != nil {
						return nil, err
					}
				}
				return b.join(ctx, topic, name, options)
			}
		}
	})
}

// firstComes gives a consumer something when the one before it has left.
func firstComes() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var turns sync.Map
		return func(b *alteredBroker) {
			b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
				found, _ := turns.LoadOrStore([2]string{topic, name}, make(chan struct{}, 1))
				turn := found.(chan struct{})
				s := &alteredSubscription{}
				s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
					if s.inner == nil {
						select {
						case turn <- struct{}{}:
						case <-ctx.Done():
							return nil, ctx.Err()
						}
						inner, err := b.Broker.Subscribe(ctx, topic, name, options)
						if err != nil {
							<-turn
							return nil, err
						}
						s.inner = inner
					}
					return s.inner.Receive(ctx, limit)
				}
				s.close = func() error {
					if s.inner == nil {
						return nil
					}
					err := s.inner.Close()
					<-turn
					return err
				}
				return s, nil
			}
		}
	})
}

// settlingForOthers settles a message whoever has it.
func settlingForOthers() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		type holder struct {
			by       *alteredSubscription
			delivery carillon.Delivery
		}
		var holders sync.Map
		return func(b *alteredBroker) {
			b.joined = func(s *alteredSubscription) {
				s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
					deliveries, err := s.inner.Receive(ctx, limit)
					for i := range deliveries {
						holders.Store(deliveries[i].Message.ID, holder{s, deliveries[i]})
					}
					return deliveries, err
				}
				s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
					for i := range deliveries {
						if found, ok := holders.Load(deliveries[i].Message.ID); ok {
							has := found.(holder)
							if err := has.by.inner.Ack(ctx, []carillon.Delivery{has.delivery}); err != nil && !errors.Is(err, carillon.ErrClosed) {
								return err
							}
						}
					}
					return nil
				}
			}
		}
	})
}

// leftovers keeps back what comes again until nothing else is there.
func leftovers() BrokerOpener {
	return alterSubscriptions(func(s *alteredSubscription) {
		var left []carillon.Delivery
		s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
			short, stop := context.WithTimeout(ctx, underWay)
			defer stop()
			for {
				deliveries, err := s.inner.Receive(short, limit)
				if err != nil && len(left) > 0 && ctx.Err() == nil {
					count := min(limit, len(left))
					deliveries, left = left[:count:count], left[count:]
					return deliveries, nil
				}
				if err != nil && !errors.Is(err, carillon.ErrClosed) && ctx.Err() == nil {
					return s.inner.Receive(ctx, limit)
				}
				if err != nil {
					return nil, err
				}
				var fresh []carillon.Delivery
				for i := range deliveries {
					if deliveries[i].Attempt > 1 {
						left = append(left, deliveries[i])
					} else {
						fresh = append(fresh, deliveries[i])
					}
				}
				if len(fresh) > 0 {
					return fresh, nil
				}
			}
		}
	})
}

// forgettingLeavers settles for a consumer that leaves while another is there.
func forgettingLeavers() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var mu sync.Mutex
		there := 0
		return func(b *alteredBroker) {
			b.joined = func(s *alteredSubscription) {
				mu.Lock()
				there++
				mu.Unlock()
				held := s.follow()
				var leaving sync.Once
				s.close = func() error {
					leaving.Do(func() {
						mu.Lock()
						defer mu.Unlock()
						if there--; there > 0 {
							_ = s.inner.Ack(context.Background(), *held)
						}
					})
					return s.inner.Close()
				}
			}
		}
	})
}
