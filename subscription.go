package carillon

import (
	"context"
	"time"
)

// Subscription is one consumer's part in a subscription to a topic.
//
// Receive is called by one goroutine at a time, the others by any.
type Subscription interface {
	// Receive waits for deliveries and returns at least one, at most limit of them, or the context's error, [ErrUnavailable] while
	// the broker cannot be reached, or [ErrClosed]. Those of a key come in the order they were published in. It waits while as
	// many are unsettled as the options allow.
	Receive(ctx context.Context, limit int) ([]Delivery, error)

	// Ack settles deliveries: they do not come again, unless the consumer dies before the broker has written it down, which some do a
	// moment later. After an error they may come again too. What was lost in the meantime, see [Delivery.Lost], is passed over.
	Ack(ctx context.Context, deliveries []Delivery) error

	// Close leaves the subscription. Deliveries that were not settled go to another consumer, or come again, in their order; at
	// once where the broker can.
	Close() error
}

// Extender is implemented by subscriptions whose deliveries have a deadline.
type Extender interface {
	// Extend gives deliveries their whole deadline again, from now on.
	Extend(ctx context.Context, deliveries []Delivery) error
}

// SubscribeOptions are how one consumer takes part.
type SubscribeOptions struct {
	// Consumer names this consumer where the broker shows who takes part. Empty is a name made up.
	Consumer string
	// MaxUnsettled is how many deliveries this consumer holds that are not settled, at most. 0 is 1024.
	MaxUnsettled int
	// AckDeadline is how long a delivery is this consumer's unless it is extended, on brokers with a deadline. 0 is 30 s. It is also
	// how long the messages of a consumer that died wait at most.
	AckDeadline time.Duration
}

// WithDefaults returns the options with their zero figures filled in.
func (o SubscribeOptions) WithDefaults() SubscribeOptions {
	if o.MaxUnsettled <= 0 {
		o.MaxUnsettled = 1024
	}
	if o.AckDeadline <= 0 {
		o.AckDeadline = 30 * time.Second
	}
	return o
}

// Delivery is a message on its way to one consumer.
type Delivery struct {
	// Message is as it was published; nobody changes it.
	Message Message
	// Attempt is which delivery of the message this is, 1 for the first; 0 where the broker does not count.
	Attempt int
	// Lost is closed when the broker has given the message to somebody else, or may have: whoever still works on it stops. It is
	// nil where the broker does not tell.
	Lost <-chan struct{}
	// Handle is the adapter's own.
	Handle any
}

// Backlog is how a subscription fares.
type Backlog struct {
	// Waiting is how many messages no consumer has been given yet, Unsettled how many are with consumers.
	Waiting, Unsettled int64
	// Oldest is how long the oldest of them has been there, 0 when there is none or the broker does not tell.
	Oldest time.Duration
}
