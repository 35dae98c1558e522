package carillon

// OutboxTx is a [ReadModelTx] of a store with topics: what a transaction publishes is published when it commits, and only then.
type OutboxTx interface {
	// Publish adds messages to a topic of the store, in order. A topic nobody declared is refused with [ErrNotFound], one that is
	// full with [ErrTopicFull].
	Publish(topic string, messages []Message) error
}

// InboxTx is a [ReadModelTx] of a store that remembers which messages a consumer has handled, so that what comes again changes
// nothing. The consumer is the model being updated.
type InboxTx interface {
	// Receive notes messages as handled, and reports for each whether this is the first time. What another transaction has noted
	// and not yet committed is waited for.
	Receive(receipts []Receipt) (first []bool, err error)
}

// Receipt names a message as its consumer has had it.
type Receipt struct {
	ID string
	// Revision is how often the message was repaired: what a repair changes is handled once more.
	Revision int
}

// ForeseeingTx is a [ReadModelTx] that asks for several things at a time.
type ForeseeingTx interface {
	// Foresee says which row will be read right after what is done next, so that both are asked for at once.
	Foresee(key string)
}
