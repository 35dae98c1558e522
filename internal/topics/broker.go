package topics

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// Broker is one client of a store's topics. It implements [carillon.Broker] and [carillon.Prober].
type Broker struct {
	hub    *Hub
	closer func() error

	mu            sync.Mutex
	closed        bool
	subscriptions []*consumer
	joining       sync.WaitGroup
	closing       sync.Once
	failure       error
}

// Broker returns a client. Closing it calls closer at the end, which may be nil.
func (h *Hub) Broker(closer func() error) *Broker { return &Broker{hub: h, closer: closer} }

// Capabilities says what the broker can do.
func (b *Broker) Capabilities() carillon.Capabilities { return b.hub.settings.Capabilities }

// Safe says why the broker is refused, if it is.
func (b *Broker) Safe() error { return b.hub.settings.Unsafe }

// Declare adds topics and subscriptions.
func (b *Broker) Declare(ctx context.Context, wanted ...carillon.Topic) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	for _, topic := range wanted {
		if err := topic.Check(); err != nil {
			return err
		}
	}
	for _, topic := range wanted {
		if err := b.declare(ctx, topic.WithDefaults()); err != nil {
			return fmt.Errorf("declare topic %q: %w", topic.Name, err)
		}
	}
	return nil
}

func (b *Broker) declare(ctx context.Context, topic carillon.Topic) error {
	ctx, cancel := within(ctx, b.hub.settings.Timeout)
	defer cancel()
	return late(ctx, b.hub.tables.Declare(ctx, topic))
}

// Publish writes messages in one transaction, all or none, that concurrent callers share.
func (b *Broker) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	err := b.publish(ctx, topic, messages)
	if err == nil || len(messages) == 0 {
		return err
	}
	return carillon.Unconfirmed(0, len(messages), err)
}

func (b *Broker) publish(ctx context.Context, topic string, messages []carillon.Message) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	s, err := b.hub.stream(ctx, topic)
	if err != nil {
		return err
	}
	if err := b.hub.check(messages); err != nil || len(messages) == 0 {
		return err
	}
	err = b.write(ctx, s, messages)
	if errors.Is(err, carillon.ErrTopicFull) && len(s.members()) > 0 { // what was settled here may not have been noted
		for _, c := range s.members() {
			_ = c.save(ctx) // then the topic is still full
		}
		err = b.write(ctx, s, messages)
	}
	return err
}

func (b *Broker) write(ctx context.Context, s *stream, messages []carillon.Message) error {
	done, err := b.hub.enter()
	if err != nil {
		return err
	}
	defer done()
	p := s.publication(messages)
	if _, err := b.hub.group(s).Do(ctx, p); err != nil {
		return err
	}
	return p.Err
}

// Subscribe joins a subscription.
func (b *Broker) Subscribe(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, carillon.ErrClosed
	}
	b.joining.Add(1)
	b.mu.Unlock()
	defer b.joining.Done()
	done, err := b.hub.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := within(ctx, b.hub.settings.Timeout)
	defer cancel()
	c, err := b.join(ctx, topic, name, options.WithDefaults())
	if err != nil {
		return nil, late(ctx, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subscriptions = append(slices.DeleteFunc(b.subscriptions, (*consumer).gone), c)
	return c, nil
}

func (b *Broker) join(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (*consumer, error) {
	if err := b.usable(ctx); err != nil {
		return nil, err
	}
	s, err := b.hub.stream(ctx, topic)
	if err != nil {
		return nil, err
	}
	subscription, err := b.hub.tables.Subscription(ctx, s.Topic, name)
	if errors.Is(err, carillon.ErrNotFound) {
		err = fmt.Errorf("subscription %q of topic %q: declare it first: %w", name, topic, carillon.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	c := &consumer{
		hub: b.hub, stream: s, most: options.MaxUnsettled, page: firstPage, lanes: make(map[int]*lane),
		member: Member{
			Topic: s.Topic, Subscription: subscription, Consumer: strings.TrimPrefix(options.Consumer+"-"+rand.Text()[:12], "-"),
			Lease: options.AckDeadline * 3 / 4, // what is left is for others to notice
		},
		more: make(chan struct{}, 1), poked: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		ended: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.join(c)
	began := time.Now()
	err = c.look(ctx)
	if err == nil {
		_, err = c.balance(ctx)
	}
	if err != nil {
		s.leave(c)
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.hub.settings.Timeout)
		defer cancel()
		_ = c.resign(leaving) // else its leases run out
		return nil, err
	}
	s.pokeOthers(c)
	b.hub.poller.watch()
	keeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	go c.keep(keeping, began)
	return c, nil
}

// gone reports whether the consumer was closed.
func (c *consumer) gone() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// Probe counts what waits, as far as checkpoints are noted.
func (b *Broker) Probe(ctx context.Context, topic, subscription string) (carillon.Backlog, error) {
	ctx, cancel := within(ctx, b.hub.settings.Timeout)
	defer cancel()
	backlog, err := b.probe(ctx, topic, subscription)
	return backlog, late(ctx, err)
}

func (b *Broker) probe(ctx context.Context, topic, subscription string) (carillon.Backlog, error) {
	if err := b.usable(ctx); err != nil {
		return carillon.Backlog{}, err
	}
	s, err := b.hub.stream(ctx, topic)
	if err != nil {
		return carillon.Backlog{}, err
	}
	id, err := b.hub.tables.Subscription(ctx, s.Topic, subscription)
	if err != nil {
		return carillon.Backlog{}, fmt.Errorf("subscription %q of topic %q: %w", subscription, topic, err)
	}
	for _, c := range s.members() {
		if c.member.Subscription == id {
			if err := c.save(ctx); err != nil {
				return carillon.Backlog{}, err
			}
		}
	}
	found, err := b.hub.tables.Backlog(ctx, s.Topic, id)
	if err != nil {
		return carillon.Backlog{}, err
	}
	return carillon.Backlog{
		Waiting: max(0, found.Messages-found.Held-found.Ahead), Unsettled: found.Held, Oldest: found.Oldest,
	}, nil
}

// Rewind has a subscription begin anew. It implements [carillon.Rewinder].
func (b *Broker) Rewind(ctx context.Context, topic, subscription string) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	ctx, cancel := within(ctx, b.hub.settings.Timeout)
	defer cancel()
	s, err := b.hub.stream(ctx, topic)
	if err != nil {
		return late(ctx, err)
	}
	id, err := b.hub.tables.Subscription(ctx, s.Topic, subscription)
	if err == nil {
		err = b.hub.tables.Rewind(ctx, s.Topic, id)
	}
	if err != nil {
		return fmt.Errorf("rewind subscription %q of topic %q: %w", subscription, topic, late(ctx, err))
	}
	for _, c := range s.members() {
		if c.member.Subscription == id {
			c.poke()
		}
	}
	return nil
}

// Close leaves all subscriptions.
func (b *Broker) Close() error {
	b.closing.Do(func() {
		b.mu.Lock()
		b.closed = true
		b.mu.Unlock()
		b.joining.Wait()
		var failures []error
		for _, c := range b.subscriptions {
			failures = append(failures, c.Close())
		}
		if b.closer != nil {
			failures = append(failures, b.closer())
		}
		b.failure = errors.Join(failures...)
	})
	return b.failure
}

func (b *Broker) usable(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return carillon.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return b.hub.settings.Unsafe
	}
}
