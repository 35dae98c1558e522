package watermill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
)

// mostPublishing is how many calls of the publisher may be under way: watermill's do not end with a context.
const mostPublishing = 64

// broker is a publisher, and the subscriptions that were joined through it.
type broker struct {
	source    *Source
	publisher message.Publisher
	slots     chan struct{} // holds one for each call of the publisher

	mu            sync.Mutex
	ended         bool
	closed        chan struct{} // closed when Close ends
	closing       error
	calls         sync.WaitGroup // calls under way
	subscriptions map[*subscription]struct{}
}

var _ carillon.Broker = (*broker)(nil)

func newBroker(s *Source, publisher message.Publisher) *broker {
	return &broker{
		source: s, publisher: publisher, slots: make(chan struct{}, mostPublishing), closed: make(chan struct{}),
		subscriptions: make(map[*subscription]struct{}),
	}
}

// Capabilities says what is known of the Pub/Sub.
func (b *broker) Capabilities() carillon.Capabilities { return b.source.capabilities() }

// enter notes a call, which Close waits for.
func (b *broker) enter(ctx context.Context) (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return nil, carillon.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.calls.Add(1)
	return b.calls.Done, nil
}

// Declare notes topics and makes them in the Pub/Sub.
func (b *broker) Declare(ctx context.Context, wanted ...carillon.Topic) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, topic := range wanted {
		if err := topic.Check(); err != nil {
			return err
		}
		if topic.Limit > 0 {
			return fmt.Errorf("topic %q with a limit, in a Pub/Sub of watermill: %w", topic.Name, carillon.ErrUnsupported)
		}
	}
	for _, topic := range wanted {
		if err := b.source.prepare(ctx, topic.WithDefaults()); err != nil {
			return err
		}
	}
	return nil
}

// Publish gives messages to the publisher and waits for it.
func (b *broker) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if reaches, err := b.source.topics.routable(topic); err != nil {
		return err
	} else if !reaches && !b.source.retains {
		return fmt.Errorf("topic %q has no subscription that was declared here: %w", topic, carillon.ErrUnroutable)
	}
	for i := range messages {
		if err := messages[i].CheckPublished(b.source.maxPayload); err != nil {
			return err
		}
	}
	if len(messages) == 0 {
		return nil
	}
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return carillon.Unconfirmed(0, len(messages), ctx.Err())
	}
	answers := make(chan error, 1)
	b.calls.Go(func() {
		defer func() { <-b.slots }()
		answers <- b.hand(context.WithoutCancel(ctx), topic, messages)
	})
	select {
	case err := <-answers:
		return err
	case <-ctx.Done():
		return carillon.Unconfirmed(0, len(messages), ctx.Err())
	}
}

// hand gives messages to the publisher: in one call, or one by one so that none overtakes one that failed.
func (b *broker) hand(ctx context.Context, topic string, messages []carillon.Message) error {
	ctx, stop := context.WithTimeoutCause(ctx, b.source.timeout, carillon.ErrTimeout)
	defer stop()
	all := make([]*message.Message, len(messages))
	for i := range messages {
		all[i] = encodeShort(&messages[i])
		all[i].SetContext(ctx)
	}
	if !b.source.inOrder {
		if err := b.publisher.Publish(topic, all...); err != nil {
			return carillon.Unconfirmed(0, len(all), unavailable(ctx, err))
		}
		return nil
	}
	for i := range all {
		if err := b.publisher.Publish(topic, all[i]); err != nil {
			return carillon.Unconfirmed(i, len(all), unavailable(ctx, err))
		}
	}
	return nil
}

// unavailable makes an error of watermill, which says nothing of its kind, one that trying again may help against.
func unavailable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, carillon.ErrTimeout) {
		return cause
	}
	if errors.Is(err, carillon.ErrUnavailable) || errors.Is(err, carillon.ErrUnsupported) || errors.Is(err, carillon.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w: %w", carillon.ErrUnavailable, err)
}

// Subscribe joins a subscription.
func (b *broker) Subscribe(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	from, err := b.source.topics.find(topic, name)
	if err != nil {
		return nil, err
	}
	if !b.source.volatile {
		if from, err = b.source.begin(ctx, topic, name); err != nil {
			return nil, fmt.Errorf("subscribe to %q of topic %q: %w", name, topic, err)
		}
	}
	s := newSubscription(b, topic, from, options.WithDefaults().MaxUnsettled)
	b.mu.Lock()
	ended := b.ended
	if !ended {
		b.subscriptions[s] = struct{}{}
	}
	b.mu.Unlock()
	if ended {
		return nil, errors.Join(carillon.ErrClosed, s.Close())
	}
	return s, nil
}

// Close leaves all subscriptions, waits for what is being published, and closes the publisher.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		<-b.closed
		return b.closing
	}
	b.ended = true
	all := make([]*subscription, 0, len(b.subscriptions))
	for s := range b.subscriptions {
		all = append(all, s)
	}
	b.mu.Unlock()
	defer close(b.closed)
	var leaving sync.WaitGroup
	for _, s := range all {
		leaving.Go(func() { _ = s.Close() }) // it gives no error
	}
	leaving.Wait()
	b.source.topics.closed()
	b.closing = within(b.source.timeout, "the publisher does not end", func() error {
		b.calls.Wait()
		return b.publisher.Close()
	})
	return b.closing
}

// within waits for a function, for so long at most; then it is left behind.
func within(long time.Duration, what string, do func() error) error {
	answers := make(chan error, 1)
	go func() { answers <- do() }()
	late := time.NewTimer(long)
	defer late.Stop()
	select {
	case err := <-answers:
		return err
	case <-late.C:
		return fmt.Errorf("watermill: %s: %w", what, carillon.ErrTimeout)
	}
}
