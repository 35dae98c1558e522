package carillon

import "context"

// Broker is the port of what moves messages between services: a server such as NATS JetStream, Kafka, RabbitMQ or Redis, or the
// store itself. Application code publishes and consumes through package messaging, which keeps the hand-off: it never holds a
// Broker.
//
// A topic is a named sequence of messages. Whoever is interested has a subscription to it, under a name: each subscription is
// given every message published since it was declared, and the consumers that share its name compete for them. Several
// subscriptions are publish/subscribe; one with several consumers is point-to-point.
//
// Delivery is at least once. All methods are safe for concurrent use. An adapter that loses its connection makes a new one by
// itself; meanwhile its methods fail with [ErrUnavailable], in a time their context bounds.
type Broker interface {
	// Capabilities says what this broker, as it is set up, can do. It does no I/O.
	Capabilities() Capabilities

	// Declare makes sure that topics and their subscriptions are there. It adds what is missing and takes nothing away. A topic
	// that is there with another number of partitions is refused with [ErrConflict].
	Declare(ctx context.Context, topics ...Topic) error

	// Publish publishes messages to a topic and returns when the broker has confirmed each of them as far as its capabilities
	// say. Otherwise the error is a [*PublishError]: those it names may or may not have been published, and are published again,
	// with their ids, by a caller who must not lose them. A topic nobody declared is refused with [ErrNotFound], a message over
	// the limit with [ErrTooLarge], and one that no subscription would get, where the broker cannot keep it, with
	// [ErrUnroutable].
	// Messages come valid, see [Message.CheckPublished]. Cancelling the context ends the wait, not the publishing.
	Publish(ctx context.Context, topic string, messages []Message) error

	// Subscribe joins a declared subscription as one of its consumers; [ErrNotFound] when nobody declared it.
	Subscribe(ctx context.Context, topic, subscription string, options SubscribeOptions) (Subscription, error)

	// Close ends all subscriptions and the connection. It waits for what is under way, and may be called twice.
	Close() error
}

// BrokerOpener opens a broker. Making a BrokerOpener does no I/O; OpenBroker does.
type BrokerOpener interface {
	OpenBroker(ctx context.Context) (Broker, error)
}

// BrokerStore is implemented by stores that are brokers too: topics live beside the log, and what a handler publishes is published
// by the commit of its own transaction. Closing the broker leaves the store open.
type BrokerStore interface {
	Broker() Broker
}

// Prober is implemented by brokers that can tell how much waits.
type Prober interface {
	// Probe returns how a subscription fares, [ErrNotFound] when nobody declared it.
	Probe(ctx context.Context, topic, subscription string) (Backlog, error)
}
