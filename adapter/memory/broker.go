package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

// topics are the topics of a store.
type topics struct {
	mu     sync.Mutex
	byName map[string]*topic
}

func newTopics() *topics { return &topics{byName: make(map[string]*topic)} }

// find returns a topic, or [carillon.ErrNotFound].
func (t *topics) find(name string) (*topic, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.byName[name]
	if !ok {
		return nil, fmt.Errorf("topic %q: declare it first: %w", name, carillon.ErrNotFound)
	}
	return found, nil
}

// inOrder returns some topics in order of name, in which they are locked.
func (*topics) inOrder(some map[*topic]int64) []*topic {
	return slices.SortedFunc(maps.Keys(some), func(a, b *topic) int { return strings.Compare(a.name, b.name) })
}

// declare adds a topic, or to one that is there the subscriptions it lacks.
func (t *topics) declare(wanted carillon.Topic) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.byName[wanted.Name]
	if !ok {
		found = newTopic(wanted)
		t.byName[wanted.Name] = found
	}
	return found.declare(wanted)
}

// broker is one client of a store's topics.
type broker struct {
	topics *topics
	closed atomic.Bool

	mu            sync.Mutex
	subscriptions []*subscription
}

// Broker returns the broker beside the log. Each call returns a client of its own.
func (s *Store) Broker() carillon.Broker { return &broker{topics: s.topics} }

// OpenBroker returns a client of the broker, for programs that have the broker in one place and the log in another.
func (s *Store) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Broker(), nil
}

// Capabilities says what the broker can do.
func (b *broker) Capabilities() carillon.Capabilities {
	return carillon.Capabilities{
		Broker: "memory", Confirm: carillon.ConfirmedInMemory, Ack: carillon.AckEach, Order: carillon.OrderShared,
		OrderedPublish: true, Counted: true, Revocation: true, Probe: true, Bounded: true, MaxPayload: carillon.MaxPayload,
	}
}

// Declare adds topics and subscriptions.
func (b *broker) Declare(ctx context.Context, wanted ...carillon.Topic) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	for _, topic := range wanted {
		if err := topic.Check(); err != nil {
			return err
		}
	}
	for _, topic := range wanted {
		if err := b.topics.declare(topic.WithDefaults()); err != nil {
			return err
		}
	}
	return nil
}

// Publish hands messages to every subscription of a topic.
func (b *broker) Publish(ctx context.Context, name string, messages []carillon.Message) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	t, err := b.topics.find(name)
	if err != nil {
		return err
	}
	for i := range messages {
		if m := &messages[i]; len(m.Payload) > carillon.MaxPayload { // for the rest they come valid
			return fmt.Errorf("%s %q has a payload of %d bytes, the limit is %d: %w", m.Kind, m.Type, len(m.Payload), carillon.MaxPayload, carillon.ErrTooLarge)
		}
	}
	return t.publish(messages)
}

// Subscribe joins a subscription.
func (b *broker) Subscribe(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	if err := b.usable(ctx); err != nil {
		return nil, err
	}
	t, err := b.topics.find(topic)
	if err != nil {
		return nil, err
	}
	s, err := t.join(name, options.WithDefaults().MaxUnsettled)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	closed := b.closed.Load()
	b.subscriptions = append(slices.DeleteFunc(b.subscriptions, (*subscription).left), s)
	b.mu.Unlock()
	if closed {
		s.leave()
		return nil, carillon.ErrClosed
	}
	return s, nil
}

// Probe counts what waits.
func (b *broker) Probe(ctx context.Context, topic, subscription string) (carillon.Backlog, error) {
	if err := b.usable(ctx); err != nil {
		return carillon.Backlog{}, err
	}
	t, err := b.topics.find(topic)
	if err != nil {
		return carillon.Backlog{}, err
	}
	return t.probe(subscription)
}

// Close leaves all subscriptions.
func (b *broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed.Store(true)
	for _, s := range b.subscriptions {
		s.leave()
	}
	b.subscriptions = nil
	return nil
}

func (b *broker) usable(ctx context.Context) error { return usable(ctx, &b.closed) }
