package watermill

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
)

// Publishers gets the publisher of a broker that is opened. The broker closes it; one that is to stay open is wrapped by [KeepPublisher].
type Publishers func(ctx context.Context) (message.Publisher, error)

// Subscribers gets a subscriber that stands for a consumer of a subscription to a topic, such as one of a consumer group of that name:
// subscribers of one subscription compete for the topic's messages, and those of different ones each get them all. It is closed once it
// is done with; one that is to stay open is wrapped by [KeepSubscriber]. The error of a call that may succeed later is tried again.
type Subscribers func(ctx context.Context, topic, subscription string) (message.Subscriber, error)

// Source is a Pub/Sub of watermill, and how to use it. It is a [carillon.BrokerOpener] and a [carillon.Describer]. What was declared is
// known to all brokers it has opened, and to no other process.
type Source struct {
	publishers  Publishers
	subscribers Subscribers

	name       string
	confirm    carillon.Confirmation
	confirmed  bool
	inOrder    bool
	parallel   int
	retains    bool
	volatile   bool
	declare    func(ctx context.Context, topic carillon.Topic) error
	maxPayload int
	mapping    Mapping
	log        *slog.Logger
	timeout    time.Duration

	topics *topics
}

// Option says what watermill does not tell, or sets what has a default.
type Option func(*Source)

// Name names the product behind the Pub/Sub. Default: "watermill".
func Name(name string) Option { return func(s *Source) { s.name = name } }

// Confirmed says what a message survives once the publisher has returned without an error. Default:
// [carillon.ConfirmedInMemory], and [carillon.Capabilities] says that nobody knows what may be lost.
func Confirmed(confirm carillon.Confirmation) Option {
	return func(s *Source) { s.confirm, s.confirmed = confirm, true }
}

// InOrder says that a subscriber is given the messages of a topic one at a time, in the order they were published in, and that after
// its end another is given those that were not acknowledged, and first. The broker then keeps order as long as a subscription has one
// consumer at a time, and publishes the messages of a call one by one. Default: no order is claimed.
func InOrder() Option { return func(s *Source) { s.inOrder = true } }

// Parallel takes so many subscribers for each consumer, which may hold as many deliveries at a time. It excludes [InOrder]. Default: 1.
func Parallel(subscribers int) Option { return func(s *Source) { s.parallel = subscribers } }

// Retains says that the Pub/Sub keeps messages whether or not there is a subscription. Default: publishing to a topic without
// a subscription that was declared in this process is refused with [carillon.ErrUnroutable].
func Retains() Option { return func(s *Source) { s.retains = true } }

// Volatile says that the Pub/Sub gives messages to those who are subscribed, forgets them otherwise, and gives more than one message at a
// time, as GoChannel does. A subscription is then subscribed to from its declaration until the last broker of the source is closed, and
// shared by the consumers in this process. What they have not settled is lost with the process. It excludes [InOrder], [Parallel] and
// [Retains]. Default: each consumer subscribes by itself.
func Volatile() Option { return func(s *Source) { s.volatile = true } }

// Declaring makes a topic and those of its subscriptions that are not there, so that each of them is given what is published from then
// on. It is called for each declaration. Default: SubscribeInitialize of each subscription's subscriber; one without it cannot be declared,
// which is [carillon.ErrUnsupported], for messages published before its first consumer comes would be lost to it.
func Declaring(declare func(ctx context.Context, topic carillon.Topic) error) Option {
	return func(s *Source) { s.declare = declare }
}

// MaxPayload is the largest payload the Pub/Sub takes, in bytes. Default: [carillon.MaxPayload].
func MaxPayload(bytes int) Option { return func(s *Source) { s.maxPayload = bytes } }

// Reading reads messages that are no CloudEvents. Default: [Plain].
func Reading(mapping Mapping) Option { return func(s *Source) { s.mapping = mapping } }

// Logger is told of what fails and is tried again. Default: none.
func Logger(log *slog.Logger) Option { return func(s *Source) { s.log = log } }

// Timeout bounds how long the broker waits for what watermill does without a context: publishing that nobody waits for any more, and the
// end of publishers and subscribers. Default: 10 s.
func Timeout(timeout time.Duration) Option { return func(s *Source) { s.timeout = timeout } }

// PubSub makes a broker of publishers and subscribers of watermill. What the options do not say is not claimed.
func PubSub(publishers Publishers, subscribers Subscribers, options ...Option) *Source {
	s := &Source{
		publishers: publishers, subscribers: subscribers, name: "watermill", parallel: 1, maxPayload: carillon.MaxPayload, mapping: Plain,
		log: slog.New(slog.DiscardHandler), timeout: 10 * time.Second, topics: newTopics(),
	}
	for _, option := range options {
		option(s)
	}
	return s
}

// OpenBroker gets a publisher.
func (s *Source) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	publisher, err := s.publishers(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.name, unavailable(ctx, err))
	}
	s.topics.opened()
	return newBroker(s, publisher), nil
}

// check refuses options that contradict each other.
func (s *Source) check() error {
	switch {
	case s.publishers == nil || s.subscribers == nil:
		return carillon.Invalidf("Pub/Sub", "it has publishers and subscribers")
	case s.parallel < 1:
		return carillon.Invalidf("Parallel("+strconv.Itoa(s.parallel)+")", "it is 1 or more")
	case s.inOrder && (s.parallel > 1 || s.volatile):
		return carillon.Invalidf("InOrder", "it excludes Parallel and Volatile: messages come one at a time")
	case s.volatile && (s.parallel > 1 || s.retains):
		return carillon.Invalidf("Volatile", "it excludes Parallel and Retains")
	case s.maxPayload < 1 || s.timeout <= 0 || s.mapping == nil || s.log == nil || s.name == "":
		return carillon.Invalidf("Pub/Sub", "its name, limits, mapping and logger are set")
	default:
		return nil
	}
}

// capabilities says what is known of the Pub/Sub.
func (s *Source) capabilities() carillon.Capabilities {
	c := carillon.Capabilities{
		Broker: s.name, Confirm: s.confirm, Ack: carillon.AckEach, Order: carillon.OrderNone, Retained: s.retains, Unsettled: s.parallel,
		MaxPayload: s.maxPayload,
	}
	if s.inOrder {
		c.Order, c.OrderedPublish = carillon.OrderAlone, true
	}
	if s.volatile {
		c.Unsettled = 0
	}
	if !s.confirmed {
		c.Losses = []string{"whatever the Pub/Sub's settings allow: watermill does not tell them"}
	}
	return c
}

// Describe names the Pub/Sub.
func (s *Source) Describe() carillon.Description {
	return carillon.Description{Kind: "broker", Name: s.name, Detail: map[string]string{"through": "watermill"}}
}

// KeepPublisher wraps a publisher that others use too: closing it leaves it open.
func KeepPublisher(publisher message.Publisher) message.Publisher { return keptPublisher{publisher} }

type keptPublisher struct{ message.Publisher }

func (keptPublisher) Close() error { return nil }

// KeepSubscriber wraps a subscriber that others use too: closing it leaves it open, and its subscriptions end by their context.
func KeepSubscriber(subscriber message.Subscriber) message.Subscriber {
	if with, ok := subscriber.(message.SubscribeInitializer); ok {
		return keptInitializer{keptSubscriber{subscriber}, with}
	}
	return keptSubscriber{subscriber}
}

type keptSubscriber struct{ message.Subscriber }

func (keptSubscriber) Close() error { return nil }

type keptInitializer struct {
	keptSubscriber
	message.SubscribeInitializer
}
