package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/carillon-go/carillon"
)

func brokenTopics() []brokenBroker {
	overlooked := func(kind error) BrokerOpener {
		return alterBroker(func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				if err := b.Broker.Declare(ctx, topics...); !errors.Is(err, kind) {
					return err
				}
				return nil
			}
		})
	}
	return []brokenBroker{
		{"takes invalid names", overlooked(carillon.ErrInvalid), []string{"declare what is wrong"}},
		{"takes another number of partitions", overlooked(carillon.ErrConflict), []string{"declare what is wrong"}},
		{"takes a subscription twice", alterBroker(func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				for i := range topics {
					topics[i].Subscriptions = slices.Compact(slices.Clone(topics[i].Subscriptions))
				}
				return b.Broker.Declare(ctx, topics...)
			}
		}), []string{"declare what is wrong"}},
		{"takes a limit it cannot keep", claiming(func(can *carillon.Capabilities) { can.Bounded = false }), []string{"declare what is wrong"}},
		{"declares what is published to", declaring(), []string{"undeclared"}},
		{"begins a topic anew when it is declared again", redeclaring(func(string, carillon.Topic) bool { return true }), []string{"declare again"}},
		{"takes away subscriptions that are not named again", redeclaring(func(name string, topic carillon.Topic) bool {
			return !slices.Contains(topic.Subscriptions, name)
		}), []string{"declare again"}},
		{"gives a new subscription what is old", givingOld(), []string{"declare again"}},
		{"takes - for .", renamed(func(name string) string { return strings.ReplaceAll(name, "-", ".") }), []string{"topics apart"}},
		{"takes _ for .", renamed(func(name string) string { return strings.ReplaceAll(name, "_", ".") }), []string{"topics apart"}},
		{"takes two dots for one", renamed(func(name string) string { return strings.ReplaceAll(name, "..", ".") }), []string{"topics apart"}},
		{"keeps what stands before the last dot", renamed(func(name string) string {
			if i := strings.LastIndexByte(name, '.'); i > 0 {
				return name[:i]
			}
			return name
		}), []string{"topics apart"}},
		{"takes subscriptions for one another", joinedAs(func(_, name string) string { return strings.ReplaceAll(name, "-", "_") }), []string{"topics apart"}},
		{"joins the names of topic and subscription by a dot", joinedAs(func(topic, name string) string { return topic + "." + name }), []string{"topics apart"}},
		{"joins them by a hyphen", joinedAs(func(topic, name string) string { return topic + "-" + name }), []string{"topics apart"}},
	}
}

// declaring declares topics and subscriptions when they are used.
func declaring() BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
			err := b.Broker.Publish(ctx, topic, messages)
			if errors.Is(err, carillon.ErrNotFound) {
				return b.Broker.Declare(ctx, carillon.Topic{Name: topic})
			}
			return err
		}
	})
}

// redeclaring empties subscriptions when their topic is declared again.
func redeclaring(empties func(name string, topic carillon.Topic) bool) BrokerOpener {
	return alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
		names := make(map[string][]string)
		return func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				for _, topic := range topics {
					for _, name := range names[topic.Name] {
						if empties(name, topic) {
							empty(ctx, home, topic.Name, name)
						}
					}
					names[topic.Name] = append(names[topic.Name], topic.Subscriptions...)
				}
				return b.Broker.Declare(ctx, topics...)
			}
		}
	})
}

// empty settles whatever waits in a subscription.
func empty(ctx context.Context, home carillon.Broker, topic, name string) {
	joined, err := home.Subscribe(ctx, topic, name, carillon.SubscribeOptions{})
	if err == nil {
		_, _ = drain(ctx, joined)
		_ = joined.Close()
	}
}

// givingOld gives a subscription that was declared later what had been published before.
func givingOld() BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		published := make(map[string][]carillon.Message)
		return func(b *alteredBroker) {
			b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
				published[topic] = append(published[topic], messages...)
				return b.Broker.Publish(ctx, topic, messages)
			}
			b.joined = func(s *alteredSubscription) {
				if s.name == "second" {
					s.before(published[s.topic][:1])
				}
			}
		}
	})
}

// before gives messages before those of the inner subscription.
func (s *alteredSubscription) before(messages []carillon.Message) {
	s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
		if len(messages) == 0 {
			return s.inner.Receive(ctx, limit)
		}
		var deliveries []carillon.Delivery
		for len(messages) > 0 && len(deliveries) < limit {
			deliveries = append(deliveries, carillon.Delivery{Message: messages[0], Attempt: 1})
			messages = messages[1:]
		}
		return deliveries, nil
	}
	s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
		deliveries = slices.DeleteFunc(slices.Clone(deliveries), func(d carillon.Delivery) bool { return d.Handle == nil })
		return s.inner.Ack(ctx, deliveries)
	}
}

// renamed gives topics other names.
func renamed(change func(name string) string) BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.declare = func(ctx context.Context, topics []carillon.Topic) error {
			topics = slices.Clone(topics)
			for i := range topics {
				topics[i].Name = change(topics[i].Name)
			}
			return b.Broker.Declare(ctx, topics...)
		}
		b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
			return b.Broker.Publish(ctx, change(topic), messages)
		}
		b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
			return b.join(ctx, change(topic), name, options)
		}
	})
}

// joinedAs takes subscriptions with the same label for one.
func joinedAs(label func(topic, name string) string) BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) {
		var first sync.Map
		return func(b *alteredBroker) {
			b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
				at, _ := first.LoadOrStore(label(topic, name), [2]string{topic, name})
				place := at.([2]string)
				return b.join(ctx, place[0], place[1], options)
			}
		}
	})
}

func brokenErrors() []brokenBroker {
	other := func(kind, instead error) BrokerOpener {
		return alterErrors(func(err error) error {
			if errors.Is(err, kind) {
				return fmt.Errorf("another kind: %w", instead)
			}
			return err
		})
	}
	wrong := errors.New("something went wrong")
	return []brokenBroker{
		{"does not say ErrInvalid", other(carillon.ErrInvalid, wrong), []string{"declare what is wrong"}},
		{"does not say ErrConflict", other(carillon.ErrConflict, carillon.ErrInvalid), []string{"declare what is wrong"}},
		{"does not say ErrNotFound", other(carillon.ErrNotFound, carillon.ErrUnroutable), []string{"undeclared", "backlog"}},
		{"does not say ErrTooLarge", other(carillon.ErrTooLarge, carillon.ErrInvalid), []string{"publish too much"}},
		{"does not say ErrUnroutable", other(carillon.ErrUnroutable, carillon.ErrNotFound), []string{"publish to nobody"}},
		{"does not say ErrTopicFull", other(carillon.ErrTopicFull, carillon.ErrTooLarge), []string{"publish into a full topic", "publish more than fits"}},
		{"does not say which messages a full topic refused", other(carillon.ErrTopicFull, carillon.ErrTopicFull), []string{
			"publish into a full topic", "publish more than fits",
		}},
		{"does not say ErrClosed", other(carillon.ErrClosed, carillon.ErrUnavailable), []string{"close the broker"}},
		{"does not say that a context was cancelled", other(context.Canceled, carillon.ErrTimeout), []string{"publish cancelled"}},
		{"does not say ErrUnsupported", alterBroker(func(b *alteredBroker) {
			b.can.Bounded = false
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				if topics[0].Check() == nil && topics[0].Limit > 0 {
					return carillon.ErrInvalid
				}
				return b.Broker.Declare(ctx, topics...)
			}
		}), []string{"declare what is wrong"}},
		{"does not say ErrInUse", oneClient(carillon.ErrUnavailable), []string{"consumers share", "close the broker"}},
		{"says that a context ended when it was closed", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if errors.Is(err, carillon.ErrClosed) {
					return nil, context.Canceled
				}
				return deliveries, err
			}
		}), []string{"close a subscription", "close the broker"}},
		{"says that it was closed when a context ended", alterSubscriptions(func(s *alteredSubscription) {
			s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
				deliveries, err := s.inner.Receive(ctx, limit)
				if err != nil {
					return nil, carillon.ErrClosed
				}
				return deliveries, nil
			}
		}), []string{"wait for a message"}},
	}
}
