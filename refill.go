package carillon

import "context"

// Refillable is implemented by brokers that hold copies of what a store hands them, in files that may be deleted: what was confirmed and
// not consumed is then published again from the store, which keeps it for as long as the topic's retention.
type Refillable interface {
	// Incarnation tells one making of a topic from the next: when it is another than before, nothing is left of what was published
	// before. A topic nobody declared is [ErrNotFound].
	Incarnation(ctx context.Context, topic string) (string, error)
}

// Rewinder is implemented by brokers that can give a subscription again what it has had.
type Rewinder interface {
	// Rewind has a subscription begin anew with the first message that the topic keeps and that is within its retention. Consumers lose
	// what they hold. It is durable when it returns; [ErrNotFound] when nobody declared the subscription.
	Rewind(ctx context.Context, topic, subscription string) error
}
