package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
)

func brokenPublishing() []brokenBroker {
	return []brokenBroker{
		{"loses every tenth message", alterPublished(func(number int64, messages []carillon.Message) []carillon.Message {
			return slices.DeleteFunc(messages, func(carillon.Message) bool { number++; return number%10 == 0 })
		}), []string{"order of a call", "publish at once", "consumers share"}},
		{"loses the last message of a call", alterPublished(func(_ int64, messages []carillon.Message) []carillon.Message {
			return messages[:max(1, len(messages)-1)]
		}), []string{"order of a call", "subscriptions apart", "settled in any order"}},
		{"publishes a message twice", alterPublished(func(_ int64, messages []carillon.Message) []carillon.Message {
			return append(messages, messages[0])
		}), []string{"publish at once", "subscriptions apart", "publish again"}},
		{"swaps two messages of a key", alterPublished(func(_ int64, messages []carillon.Message) []carillon.Message {
			if len(messages) > 1 {
				last := &messages[len(messages)-1]
				for i := range messages[:len(messages)-1] {
					if messages[i].Key == last.Key {
						messages[i], *last = *last, messages[i]
						break
					}
				}
			}
			return messages
		}), []string{"order of a call", "order after leaving", "publish at once"}},
		{"publishes a call backwards", alterPublished(func(_ int64, messages []carillon.Message) []carillon.Message {
			slices.Reverse(messages)
			return messages
		}), []string{"order of a call", "publish at once"}},
		{"loses what is published while no consumer is there", forConsumers(), []string{"subscriptions apart", "order of a call", "topics apart"}},
		{"publishes to one subscription", alterSubscriptions(func(s *alteredSubscription) {
			if s.name != "b" && s.name != "c" {
				return
			}
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				for {
					deliveries, err := s.inner.Receive(ctx, limit)
					if err == nil {
						err = s.inner.Ack(ctx, deliveries)
					}
					if err != nil {
						return nil, err
					}
				}
			}
		}), []string{"subscriptions apart"}},
		{"loses calls made at once", oneCallAtATime(), []string{"publish at once"}},
		{"drops what comes again, and does not say so", deduplicating(false, true), []string{"publish again"}},
		{"does not drop what comes again, and says so", claiming(func(can *carillon.Capabilities) { can.Deduplication = time.Minute }), []string{"publish again"}},
		{"drops what was published to another topic", deduplicating(true, false), []string{"publish again"}},
		{"keeps messages for nobody, and does not say so", retaining(false), []string{"publish to nobody"}},
		{"keeps nothing for nobody, and says so", claiming(func(can *carillon.Capabilities) { can.Retained = true }), []string{"publish to nobody"}},
		{"publishes although the context was cancelled", alterBroker(func(b *alteredBroker) {
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				return b.Broker.Publish(context.WithoutCancel(ctx), topic, messages)
			}
		}), []string{"publish cancelled"}},
		{"waits although the context was cancelled", alterBroker(func(b *alteredBroker) {
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				if ctx.Err() != nil {
					<-time.After(brokerPatience)
				}
				return b.Broker.Publish(ctx, topic, messages)
			}
		}), []string{"publish cancelled"}},
		{"refuses a payload of just the limit", refusing(func(m *carillon.Message) bool { return len(m.Payload) >= carillon.MaxPayload }), []string{"publish too much"}},
		{"counts headers as payload", refusing(func(m *carillon.Message) bool {
			size := len(m.Payload)
			for name, value := range m.Headers {
				size += len(name) + len(value)
			}
			return size > carillon.MaxPayload
		}), []string{"publish too much"}},
		{"counts tags as payload", refusing(func(m *carillon.Message) bool {
			size := len(m.Payload)
			for _, tag := range m.Tags {
				size += len(tag)
			}
			return size > carillon.MaxPayload
		}), []string{"publish too much"}},
		{"cuts a payload over the limit", alterPublished(func(_ int64, messages []carillon.Message) []carillon.Message {
			for i := range messages {
				messages[i].Payload = messages[i].Payload[:min(len(messages[i].Payload), carillon.MaxPayload)]
			}
			return messages
		}), []string{"publish too much"}},
	}
}

// alterPublished changes what is published; number is how many messages were published before.
func alterPublished(change func(number int64, messages []carillon.Message) []carillon.Message) BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var number atomic.Int64
		return func(b *alteredBroker) {
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				count := int64(len(messages))
				return b.Broker.Publish(ctx, topic, change(number.Add(count)-count, slices.Clone(messages)))
			}
		}
	})
}

// forConsumers publishes where somebody has joined.
func forConsumers() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var there sync.Map
		return func(b *alteredBroker) {
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				if _, ok := there.Load(topic); !ok {
					return nil
				}
				return b.Broker.Publish(ctx, topic, messages)
			}
			b.joined = func(s *alteredSubscription) { there.Store(s.topic, true) }
		}
	})
}

// oneCallAtATime loses the messages of a call that is made during another.
func oneCallAtATime() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var calls atomic.Int64
		return func(b *alteredBroker) {
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				defer calls.Add(-1)
				alone := calls.Add(1) == 1
				<-time.After(time.Millisecond)
				if !alone {
					return nil
				}
				return b.Broker.Publish(ctx, topic, messages)
			}
		}
	})
}

// refusing refuses messages as too large.
func refusing(which func(m *carillon.Message) bool) BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
			for i := range messages {
				if which(&messages[i]) {
					return carillon.ErrTooLarge
				}
			}
			return b.Broker.Publish(ctx, topic, messages)
		}
	})
}

func brokenFullTopics() []brokenBroker {
	both := []string{"publish into a full topic", "publish more than fits"}
	fits := []string{"publish more than fits"}
	limited := func(change func(limit int64) int64) BrokerOpener {
		return alterBroker(func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				topics = slices.Clone(topics)
				for i := range topics {
					if topics[i].Limit > 0 {
						topics[i].Limit = change(topics[i].Limit)
					}
				}
				return b.Broker.Declare(ctx, topics...)
			}
		})
	}
	return []brokenBroker{
		{"has no limit", limited(func(int64) int64 { return 0 }), both},
		{"holds one more than the limit", limited(func(limit int64) int64 { return limit + 1 }), both},
		{"holds one less than the limit", limited(func(limit int64) int64 { return limit - 1 }), []string{"publish into a full topic"}},
		{"drops what a full topic cannot take", alterErrors(func(err error) error {
			if errors.Is(err, carillon.ErrTopicFull) {
				return nil
			}
			return err
		}), both},
		{"stays full", alterSubscriptions(func(s *alteredSubscription) {
			s.ack = func(context.Context, []carillon.Delivery) error { return nil }
		}), []string{"publish into a full topic"}},
		{"names the first messages", alterUnconfirmed(func(indexes []int) []int {
			for i := range indexes {
				indexes[i] = i
			}
			return indexes
		}), fits},
		{"names the first message", alterUnconfirmed(func(indexes []int) []int { return indexes[:1] }), fits},
		{"names messages behind the last", alterUnconfirmed(func(indexes []int) []int {
			for i := range indexes {
				indexes[i] += 2
			}
			return indexes
		}), fits},
		{"names messages backwards", alterUnconfirmed(func(indexes []int) []int {
			slices.Reverse(indexes)
			return indexes
		}), fits},
		{"names a message twice", alterUnconfirmed(func(indexes []int) []int { return append(indexes[:1:1], indexes...) }), fits},
		{"names none", alterUnconfirmed(func([]int) []int { return nil }), fits},
		{"goes on behind a message that did not fit", alterBroker(func(b *alteredBroker) {
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				if topic != "too-small" || len(messages) == 1 {
					return b.Broker.Publish(ctx, topic, messages)
				}
				if err := b.Broker.Publish(ctx, topic, messages[4:]); err != nil {
					return err
				}
				return &carillon.PublishError{Unconfirmed: []int{0, 1, 2, 3}, Cause: carillon.ErrTopicFull}
			}
		}), fits},
	}
}
