package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

func brokenSettling() []brokenBroker {
	return []brokenBroker{
		{"forgets what is unsettled when a consumer leaves", alterSubscriptions(func(s *alteredSubscription) {
			held := s.follow()
			s.close = func() error {
				_ = s.inner.Ack(context.Background(), *held)
				return s.inner.Close()
			}
		}), []string{"unsettled come again", "order after leaving", "a consumer leaves"}},
		{"settles what comes", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				return deliveries, errors.Join(err, s.inner.Ack(context.WithoutCancel(ctx), deliveries))
			}
		}), []string{"unsettled come again", "unsettled limit", "open again", "backlog"}},
		{"settles all that came before", alterSubscriptions(func(s *alteredSubscription) {
			held := s.follow()
			s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
				last := deliveries[len(deliveries)-1]
				if i := slices.IndexFunc(*held, func(d carillon.Delivery) bool { return d.Handle == last.Handle }); i >= 0 {
					deliveries = slices.Clone((*held)[:i+1])
				}
				held.settle(deliveries)
				return s.inner.Ack(ctx, deliveries)
			}
		}), []string{"unsettled come again"}},
		{"settles all that came", alterSubscriptions(func(s *alteredSubscription) {
			held := s.follow()
			s.ack = func(ctx context.Context, _ []carillon.Delivery) error {
				deliveries := slices.Clone(*held)
				held.settle(deliveries)
				return s.inner.Ack(ctx, deliveries)
			}
		}), []string{"unsettled come again", "order after leaving", "open again"}},
		{"settles the first of a call", alterSubscriptions(func(s *alteredSubscription) {
			s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
				return s.inner.Ack(ctx, deliveries[:1])
			}
		}), []string{"order after leaving", "open again"}},
		{"settles the last of a call", alterSubscriptions(func(s *alteredSubscription) {
			s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
				return s.inner.Ack(ctx, deliveries[len(deliveries)-1:])
			}
		}), []string{"order after leaving", "open again"}},
		{"settles nothing", alterSubscriptions(func(s *alteredSubscription) {
			s.ack = func(context.Context, []carillon.Delivery) error { return nil }
		}), []string{"settled for good", "settled in any order", "a consumer leaves"}},
		{"settles in order only", alterSubscriptions(func(s *alteredSubscription) {
			held := s.follow()
			s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
				if len(*held) > 0 && deliveries[0].Handle != (*held)[0].Handle {
					return nil
				}
				held.settle(deliveries)
				return s.inner.Ack(ctx, deliveries)
			}
		}), []string{"settled in any order"}},
		{"refuses what is settled", alterSubscriptions(func(s *alteredSubscription) {
			held := s.follow()
			s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
				before := len(*held)
				if held.settle(deliveries); len(*held) == before {
					return carillon.ErrNotFound
				}
				return s.inner.Ack(ctx, deliveries)
			}
		}), []string{"settled for good"}},
		{"delivers again what was settled", recalling(), []string{"settled for good", "settled in any order", "order after leaving"}},
		{"delivers again backwards", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if len(deliveries) > 0 && deliveries[0].Attempt > 1 {
					slices.Reverse(deliveries)
				}
				return deliveries, err
			}
		}), []string{"order after leaving"}},
		{"delivers again what is held", alterSubscriptions(func(s *alteredSubscription) {
			held := s.follow()
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				short, stop := context.WithTimeout(ctx, deadline/2)
				defer stop()
				deliveries, err := s.inner.Receive(short, limit)
				if err != nil && ctx.Err() == nil && len(*held) > 0 {
					return slices.Clone((*held)[:1]), nil
				}
				held.add(deliveries)
				return deliveries, err
			}
		}), []string{"deadline"}},
	}
}

// recalling delivers to who joins again what was settled before.
func recalling() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var mu sync.Mutex
		settled := make(map[[2]string][]carillon.Message)
		return func(b *alteredBroker) {
			b.joined = func(s *alteredSubscription) {
				mu.Lock()
				defer mu.Unlock()
				at := [2]string{s.topic, s.name}
				s.before(settled[at])
				ack := s.ack
				s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
					mu.Lock()
					defer mu.Unlock()
					for i := range deliveries {
						settled[at] = append(settled[at], deliveries[i].Message)
					}
					return ack(ctx, deliveries)
				}
			}
		}
	})
}

func brokenDeadlines() []brokenBroker {
	late := []string{"deadline"}
	always := func(long time.Duration) func(time.Duration) time.Duration {
		return func(time.Duration) time.Duration { return long }
	}
	return []brokenBroker{
		{"extends nothing", competition{deadlines: true, extended: always(0)}.open(), late},
		{"extends by half the deadline", competition{deadlines: true, extended: func(asked time.Duration) time.Duration { return asked / 2 }}.open(), late},
		{"extends for good", competition{deadlines: true, extended: always(time.Hour)}.open(), late},
		{"does not look at the deadline it was given", competition{deadlines: true, granted: always(30 * time.Second), extended: always(30 * time.Second)}.open(), late},
		{"knows no deadline", competition{deadlines: true, granted: always(time.Hour)}.open(), late},
		{"delivers before the deadline", competition{deadlines: true, granted: always(quiet / 2)}.open(), late},
		{"takes what is late for the first delivery", competition{deadlines: true, uncounted: true}.open(), []string{"deadline", "unsettled come again"}},
	}
}
