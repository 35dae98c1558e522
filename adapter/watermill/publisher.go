package watermill

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
)

// Publisher is watermill's message.Publisher over a broker of Carillon. It is safe for concurrent use.
type Publisher struct {
	broker  carillon.Broker
	mapping Mapping
	timeout time.Duration

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

var _ message.Publisher = (*Publisher)(nil)

// PublisherOption sets what has a default.
type PublisherOption func(*Publisher)

// PublishAs reads messages that are no CloudEvents. Default: [Plain].
func PublishAs(mapping Mapping) PublisherOption { return func(p *Publisher) { p.mapping = mapping } }

// PublishTimeout bounds a call of Publish, whatever the contexts of its messages say. Default: 30 s.
func PublishTimeout(timeout time.Duration) PublisherOption {
	return func(p *Publisher) { p.timeout = timeout }
}

// NewPublisher makes a publisher. The broker stays open when it is closed.
func NewPublisher(broker carillon.Broker, options ...PublisherOption) *Publisher {
	p := &Publisher{broker: broker, mapping: Plain, timeout: 30 * time.Second}
	for _, option := range options {
		option(p)
	}
	return p
}

// Publish publishes messages to a topic and returns when the broker has confirmed each of them. Otherwise the error is a
// [*carillon.PublishError], or says why nothing was published: a topic that nobody has declared or subscribed to is
// [carillon.ErrNotFound], or [carillon.ErrUnroutable]. The wait ends with the context of any of the messages. A message may be changed
// afterwards, its payload may not.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return fmt.Errorf("publisher: %w", carillon.ErrClosed)
	}
	p.calls.Add(1)
	p.mu.Unlock()
	defer p.calls.Done()
	if len(messages) == 0 {
		return nil
	}
	all := make([]carillon.Message, len(messages))
	for i, m := range messages {
		var err error
		if all[i], err = decode(topic, m, p.mapping); err != nil {
			return fmt.Errorf("message %q: %w", m.UUID, err)
		}
	}
	ctx, stop := context.WithTimeoutCause(messages[0].Context(), p.timeout, carillon.ErrTimeout)
	defer stop()
	for _, m := range messages[1:] {
		if m.Context().Done() != nil {
			defer context.AfterFunc(m.Context(), stop)()
		}
	}
	return p.broker.Publish(ctx, topic, all)
}

// Close waits for what is being published. It may be called twice.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.calls.Wait()
	return nil
}
