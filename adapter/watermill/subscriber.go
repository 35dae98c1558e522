package watermill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
)

// Subscriber is watermill's message.Subscriber over a broker of Carillon: subscribers of one name compete for the messages of a topic,
// those of different names each get them all. It is safe for concurrent use.
type Subscriber struct {
	broker  carillon.Broker
	name    string
	topic   func(name string) carillon.Topic
	options carillon.SubscribeOptions
	pause   time.Duration
	timeout time.Duration
	log     *slog.Logger

	mu      sync.Mutex
	closed  bool
	readers map[*reader]context.CancelFunc
	running sync.WaitGroup
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// SubscriberOption sets what has a default.
type SubscriberOption func(*Subscriber)

// Topics gives the topics that are declared their partitions and retention. Default: those of Carillon.
func Topics(topic func(name string) carillon.Topic) SubscriberOption {
	return func(s *Subscriber) { s.topic = topic }
}

// ReadAhead is how many messages each subscription takes from the broker ahead of what is acknowledged. Default: 64.
func ReadAhead(messages int) SubscriberOption {
	return func(s *Subscriber) { s.options.MaxUnsettled = messages }
}

// RedeliverAfter is the pause before a message comes again that was refused with Nack. Default: 100 ms.
func RedeliverAfter(pause time.Duration) SubscriberOption {
	return func(s *Subscriber) { s.pause = pause }
}

// AckDeadline is how long the messages of a process that died wait at most, on brokers whose deliveries have a deadline. It is extended
// while a message is worked on. Default: 30 s.
func AckDeadline(deadline time.Duration) SubscriberOption {
	return func(s *Subscriber) { s.options.AckDeadline = deadline }
}

// SubscriberLogger is told of what fails and is tried again. Default: none.
func SubscriberLogger(log *slog.Logger) SubscriberOption {
	return func(s *Subscriber) { s.log = log }
}

// NewSubscriber makes a subscriber to the subscriptions of a name. The broker stays open when it is closed.
func NewSubscriber(broker carillon.Broker, subscription string, options ...SubscriberOption) *Subscriber {
	s := &Subscriber{
		broker: broker, name: subscription, topic: func(name string) carillon.Topic { return carillon.Topic{Name: name} },
		options: carillon.SubscribeOptions{MaxUnsettled: 64}, pause: 100 * time.Millisecond, timeout: 10 * time.Second,
		log: slog.New(slog.DiscardHandler), readers: make(map[*reader]context.CancelFunc),
	}
	for _, option := range options {
		option(s)
	}
	s.options = s.options.WithDefaults()
	return s
}

// SubscribeInitialize declares the topic and the subscription, which is given what is published from then on.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	ctx, stop := context.WithTimeout(context.Background(), s.timeout)
	defer stop()
	return s.declare(ctx, topic)
}

func (s *Subscriber) declare(ctx context.Context, topic string) error {
	wanted := s.topic(topic)
	wanted.Subscriptions = append(wanted.Subscriptions[:len(wanted.Subscriptions):len(wanted.Subscriptions)], s.name)
	if err := s.broker.Declare(ctx, wanted); err != nil {
		return fmt.Errorf("declare subscription %q of topic %q: %w", s.name, topic, err)
	}
	return nil
}

// Subscribe joins the subscription, which is declared when it is not there, and returns the messages: the next one comes when the one
// before was acknowledged. One that is refused with Nack comes again first. The context's values are those of the messages' contexts,
// which end with Ack and Nack, and when the broker has given the message to another consumer. When the context ends or the subscriber is
// closed the channel is closed, and what was not acknowledged goes to another consumer, or comes again.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, fmt.Errorf("subscriber: %w", carillon.ErrClosed)
	}
	s.running.Add(1)
	s.mu.Unlock()
	joined, err := s.join(ctx, topic)
	if err != nil {
		s.running.Done()
		return nil, err
	}
	reading, stop := context.WithCancel(ctx)
	r := newReader(s, joined, topic)
	s.mu.Lock()
	if s.closed {
		stop() // it ends at once
	}
	s.readers[r] = stop
	s.mu.Unlock()
	go func() {
		defer s.running.Done()
		defer stop()
		r.run(reading)
		s.mu.Lock()
		delete(s.readers, r)
		s.mu.Unlock()
		close(r.out)
	}()
	return r.out, nil
}

// join joins the subscription.
func (s *Subscriber) join(ctx context.Context, topic string) (carillon.Subscription, error) {
	ctx, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	joined, err := s.broker.Subscribe(ctx, topic, s.name, s.options)
	if errors.Is(err, carillon.ErrNotFound) {
		if err := s.declare(ctx, topic); err != nil {
			return nil, err
		}
		joined, err = s.broker.Subscribe(ctx, topic, s.name, s.options)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to %q of topic %q: %w", s.name, topic, err)
	}
	return joined, nil
}

// Close ends all subscriptions and closes their channels. It may be called twice.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	for _, stop := range s.readers {
		stop()
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}
