package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon"
)

// soundBroker is a broker that uses the freedom the port leaves it.
type soundBroker struct {
	name string
	open BrokerOpener
}

func soundBrokers() []soundBroker {
	return []soundBroker{
		{"reference", alterBroker(func(*alteredBroker) {})},
		{"notes how far everything is settled", watermarked(func(*carillon.Capabilities) {})},
		{"has its consumers compete", competition{}.open()},
		{"keeps no order", competition{shuffled: true}.open()},
		{"gives deliveries a deadline", competition{deadlines: true}.open()},
		{"keeps messages for nobody", retaining(true)},
		{"drops what comes again", deduplicating(true, true)},
		{"takes one client", oneClient(carillon.ErrInUse)},
		{"tells little", bare()},
		{"publishes a call as one", atomicCalls()},
		{"says less than it confirms", alterUnconfirmed(func(indexes []int) []int { return append([]int{indexes[0] - 2, indexes[0] - 1}, indexes...) })},
		{"gives one delivery at a time", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, _ int) ([]carillon.Delivery, error) { return s.inner.Receive(ctx, 1) }
		})},
		{"has a consumer hold one delivery", holding(1, 1)},
		{"has a consumer hold a few deliveries", holding(12, 12)},
		{"fills in defaults", alterDeliveries(func(delivery *carillon.Delivery) {
			m := &delivery.Message
			m.SchemaVersion, m.ContentType = max(m.SchemaVersion, 1), contentType(m)
			if len(m.Headers) == 0 {
				m.Headers = map[string]string{}
			}
		})},
	}
}

func TestSoundBrokersPass(t *testing.T) {
	t.Parallel()
	for _, sound := range soundBrokers() {
		t.Run(sound.name, func(t *testing.T) {
			t.Parallel()
			settings := testSettings(t)
			for _, check := range brokerChecks() {
				t.Run(check.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						err := check.against(t.Context(), t, sound.open, settings)
						if _, skipped := errors.AsType[skip](err); err != nil && !skipped {
							t.Errorf("%v (seed %d)", err, settings.seed)
						}
					})
				})
			}
		})
	}
}

func TestBrokerChecksThatCannotBeMadeSaySo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		check   string
		open    BrokerOpener
		options []LogOption
	}{
		{check: "backlog", open: bare()},
		{check: "publish into a full topic", open: bare()},
		{check: "publish more than fits", open: bare()},
		{check: "open again", open: alterBroker(func(*alteredBroker) {}), options: []LogOption{WithoutReopen()}},
		{check: "deliveries are taken away", open: competition{}.open()},
		{check: "order of a call", open: competition{shuffled: true}.open()},
		{check: "order after leaving", open: competition{shuffled: true}.open()},
		{check: "order among consumers", open: competition{shuffled: true}.open()},
	} {
		t.Run(tt.check, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				err := brokerCheckNamed(t, tt.check).against(t.Context(), t, tt.open, testSettings(t, tt.options...))
				if reason, skipped := errors.AsType[skip](err); !skipped || reason == "" {
					t.Errorf("got %v, want a reason to skip", err)
				}
			})
		})
	}
}

// watermarked settles in each partition what has nothing unsettled before it, and the rest when that is settled.
func watermarked(claim func(can *carillon.Capabilities)) BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var partitions sync.Map
		return func(b *alteredBroker) {
			b.can.Ack = carillon.AckWatermark
			claim(&b.can)
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				err := b.Broker.Declare(ctx, topics...)
				for _, topic := range topics {
					partitions.LoadOrStore(topic.Name, topic.WithDefaults().Partitions)
				}
				return err
			}
			b.joined = func(s *alteredSubscription) {
				count, _ := partitions.Load(s.topic)
				s.behindWatermark(count.(int))
			}
		}
	})
}

// placed is a delivery that stands behind others.
type placed struct {
	delivery carillon.Delivery
	settled  bool
}

func (s *alteredSubscription) behindWatermark(partitions int) {
	var mu sync.Mutex
	parts := make(map[int][]*placed)
	s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
		deliveries, err := s.inner.Receive(ctx, limit)
		mu.Lock()
		defer mu.Unlock()
		for i := range deliveries {
			if key := deliveries[i].Message.Key; key != "" {
				part := carillon.Partition(key, partitions)
				parts[part] = append(parts[part], &placed{delivery: deliveries[i]})
			}
		}
		return deliveries, err
	}
	s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		var settled []carillon.Delivery
		for i := range deliveries {
			if deliveries[i].Message.Key == "" {
				settled = append(settled, deliveries[i])
			}
		}
		for part, marks := range parts {
			marks = slices.DeleteFunc(marks, func(m *placed) bool { return isLost(&m.delivery) })
			for _, m := range marks {
				m.settled = m.settled || slices.ContainsFunc(deliveries, func(d carillon.Delivery) bool { return d.Handle == m.delivery.Handle })
			}
			for len(marks) > 0 && marks[0].settled {
				settled = append(settled, marks[0].delivery)
				marks = marks[1:]
			}
			parts[part] = marks
		}
		return s.inner.Ack(ctx, settled)
	}
}

// retaining takes messages where there is no subscription.
func retaining(claimed bool) BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.can.Retained = claimed
		b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
			err := b.Broker.Publish(ctx, topic, messages)
			if errors.Is(err, carillon.ErrUnroutable) {
				return nil
			}
			return err
		}
	})
}

// deduplicating drops what is published again under its id, in the same topic or in any.
func deduplicating(claimed, byTopic bool) BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var mu sync.Mutex
		known := make(map[[2]string]bool)
		return func(b *alteredBroker) {
			if claimed {
				b.can.Deduplication = brokerPatience
			}
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				mu.Lock()
				defer mu.Unlock()
				key := func(m *carillon.Message) [2]string {
					if byTopic {
						return [2]string{topic, m.ID}
					}
					return [2]string{"", m.ID}
				}
				messages = slices.DeleteFunc(slices.Clone(messages), func(m carillon.Message) bool { return known[key(&m)] })
				err := b.Broker.Publish(ctx, topic, messages)
				failed, _ := errors.AsType[*carillon.PublishError](err)
				for i := range messages {
					known[key(&messages[i])] = err == nil || failed != nil && !slices.Contains(failed.Unconfirmed, i)
				}
				return err
			}
		}
	})
}

// oneClient refuses a second client.
func oneClient(refusal error) BrokerOpener {
	return func(t testing.TB) carillon.BrokerOpener {
		place := make(chan struct{}, 1)
		opener := alterBroker(func(b *alteredBroker) {
			var closing sync.Once
			b.close = func() error {
				err := b.Broker.Close()
				closing.Do(func() { <-place })
				return err
			}
		})(t)
		return brokerOpenerFunc(func(ctx context.Context) (carillon.Broker, error) {
			select {
			case place <- struct{}{}:
				return opener.OpenBroker(ctx)
			default:
				return nil, fmt.Errorf("a second client: %w", refusal)
			}
		})
	}
}

// holding has a consumer hold at most so many deliveries that are not settled.
func holding(most, claimed int) BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.can.Unsettled = claimed
		b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
			options = options.WithDefaults()
			options.MaxUnsettled = min(options.MaxUnsettled, most)
			return b.join(ctx, topic, name, options)
		}
	})
}

// bare has no capability that it can do without.
func bare() BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.can.Counted, b.can.Revocation, b.can.Probe, b.can.Bounded, b.can.OrderedPublish = false, false, false, false, false
		b.outer = struct{ carillon.Broker }{b}
		b.declare = func(ctx context.Context, topics []carillon.Topic) error {
			for _, topic := range topics {
				if topic.Check() == nil && topic.Limit > 0 {
					return fmt.Errorf("a limit: %w", carillon.ErrUnsupported)
				}
			}
			return b.Broker.Declare(ctx, topics...)
		}
		b.joined = func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				for i := range deliveries {
					deliveries[i].Attempt, deliveries[i].Lost = 0, nil
				}
				return deliveries, err
			}
		}
	})
}

// atomicCalls publishes all messages of a call or none.
func atomicCalls() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var limits sync.Map
		return func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				for _, topic := range topics {
					limits.Store(topic.Name, topic)
				}
				return b.Broker.Declare(ctx, topics...)
			}
			b.publish = func(ctx context.Context, name string, messages []carillon.Message) error {
				if found, ok := limits.Load(name); ok && found.(carillon.Topic).Limit > 0 {
					topic := found.(carillon.Topic)
					backlog, err := b.Broker.(carillon.Prober).Probe(ctx, name, topic.Subscriptions[0])
					if err != nil {
						return err
					}
					if backlog.Waiting+backlog.Unsettled+int64(len(messages)) > topic.Limit {
						failed := &carillon.PublishError{Cause: carillon.ErrTopicFull}
						for i := range messages {
							failed.Unconfirmed = append(failed.Unconfirmed, i)
						}
						return failed
					}
				}
				return b.Broker.Publish(ctx, name, messages)
			}
		}
	})
}

// alterUnconfirmed says that other messages were not confirmed, of a call that was confirmed in part.
func alterUnconfirmed(change func(indexes []int) []int) BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
			err := b.Broker.Publish(ctx, topic, messages)
			failed, ok := errors.AsType[*carillon.PublishError](err)
			if ok && len(failed.Unconfirmed) < len(messages) {
				return &carillon.PublishError{Unconfirmed: change(failed.Unconfirmed), Cause: failed.Cause}
			}
			return err
		}
	})
}
