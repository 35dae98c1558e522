package conformance

import (
	"context"
	"errors"
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
	var takingWrong []brokenBroker
	for _, wrong := range []struct {
		what   string
		taking func(topic *carillon.Topic) bool
	}{
		{"no name", func(topic *carillon.Topic) bool { return topic.Name == "" }},
		{"capital letters", func(topic *carillon.Topic) bool { return topic.Name == "Upper" }},
		{"spaces", func(topic *carillon.Topic) bool { return strings.Contains(topic.Name, " ") }},
		{"slashes", func(topic *carillon.Topic) bool { return strings.Contains(topic.Name, "/") }},
		{"wildcards", func(topic *carillon.Topic) bool { return strings.Contains(topic.Name, "*") }},
		{"letters that are not ASCII", func(topic *carillon.Topic) bool { return topic.Name == "ä" }},
		{"a name that begins with a digit", func(topic *carillon.Topic) bool { return strings.HasPrefix(topic.Name, "1") }},
		{"a name that begins with a dot", func(topic *carillon.Topic) bool { return strings.HasPrefix(topic.Name, ".") }},
		{"a name that is too long", func(topic *carillon.Topic) bool { return len(topic.Name) > 100 }},
		{"less than no partitions", func(topic *carillon.Topic) bool { return topic.Partitions < 0 }},
		{"too many partitions", func(topic *carillon.Topic) bool { return topic.Partitions > 256 }},
		{"less than no retention", func(topic *carillon.Topic) bool { return topic.Retention < 0 }},
		{"less than no limit", func(topic *carillon.Topic) bool { return topic.Limit < 0 }},
		{"a subscription without a name", func(topic *carillon.Topic) bool { return slices.Contains(topic.Subscriptions, "") }},
		{"a subscription in capital letters", func(topic *carillon.Topic) bool { return slices.Contains(topic.Subscriptions, "Upper") }},
		{"a subscription whose name is too long", func(topic *carillon.Topic) bool {
			return slices.ContainsFunc(topic.Subscriptions, func(name string) bool { return len(name) > 100 })
		}},
	} {
		takingWrong = append(takingWrong, brokenBroker{"takes " + wrong.what, alterBroker(func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				if err := b.Broker.Declare(ctx, topics...); err == nil || !wrong.taking(&topics[0]) {
					return err
				}
				return nil
			}
		}), []string{"declare what is wrong"}})
	}
	return append(takingWrong, []brokenBroker{
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
		{"declares subscriptions that are joined", joining(func(topic, name string) bool { return name == "not-there" }), []string{"undeclared"}},
		{"declares topics that are joined", joining(func(topic, name string) bool { return topic == "nowhere" }), []string{"undeclared"}},
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
		{"cuts the names of topics", renamed(func(name string) string { return name[:min(len(name), 63)] }), []string{"long names"}},
		{"cuts the names of subscriptions", joinedAs(func(topic, name string) string { return topic + " " + name[:min(len(name), 63)] }), []string{"long names"}},
		{"takes names of 80 bytes", alterBroker(func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				for _, topic := range topics {
					if len(topic.Name) > 80 {
						return carillon.Invalidf("topic", "its name is too long")
					}
				}
				return b.Broker.Declare(ctx, topics...)
			}
		}), []string{"long names"}},
		{"takes 128 partitions", alterBroker(func(b *alteredBroker) {
			b.declare = func(ctx context.Context, topics []carillon.Topic) error {
				for _, topic := range topics {
					if topic.Partitions > 128 {
						return carillon.Invalidf("topic", "it has too many partitions")
					}
				}
				return b.Broker.Declare(ctx, topics...)
			}
		}), []string{"declare what is wrong"}},
	}...)
}

// declaring declares topics when something is published to them.
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

// joining declares some topics and subscriptions when they are joined.
func joining(which func(topic, name string) bool) BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
			if which(topic, name) {
				if err := b.Broker.Declare(ctx, carillon.Topic{Name: topic, Subscriptions: []string{name}}); err != nil {
					return nil, err
				}
			}
			return b.join(ctx, topic, name, options)
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
