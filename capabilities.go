package carillon

import (
	"strconv"
	"time"
)

// Capabilities is what a broker can do as it is set up. What it claims is tested by conformance.Broker; what it lacks is made up for
// above the port, or refused when a service starts.
type Capabilities struct {
	// Broker names the product.
	Broker string
	// Confirm is what a confirmed message survives.
	Confirm Confirmation
	// Ack is what the broker remembers of settled deliveries.
	Ack AckMode
	// Order is when the messages of a key come in the order they were published in.
	Order KeyOrder
	// OrderedPublish says that of the messages of a key in one call of Publish none is published when an earlier one was not, so
	// that those that failed can be published again without overtaking.
	OrderedPublish bool
	// Deadline says that deliveries have one: the subscriptions are [Extender].
	Deadline bool
	// Counted says that deliveries tell their attempt.
	Counted bool
	// Revocation says that a delivery tells when it is lost.
	Revocation bool
	// Probe says that the broker is a [Prober].
	Probe bool
	// Bounded says that a topic's limit is kept.
	Bounded bool
	// Retained says that messages are kept whether or not there is a subscription.
	Retained bool
	// Transactional says that publishing is part of the transaction of the store the broker lives in, see [OutboxTx].
	Transactional bool
	// Unsettled is how many deliveries one consumer can hold that are not settled, whatever its options allow. 0 is as many as they allow.
	Unsettled int `json:",omitempty"`
	// Deduplication is how long a message published again under its id is dropped; 0 when it is not.
	Deduplication time.Duration
	// MaxPayload is the largest payload, in bytes.
	MaxPayload int
	// Losses names what may be lost although it was confirmed, by the options that allow it.
	Losses []string
}

// Confirmation says what a confirmed message survives.
type Confirmation uint8

const (
	// ConfirmedInMemory messages are lost with the broker's process.
	ConfirmedInMemory Confirmation = iota
	// ConfirmedBySystem messages survive the broker's process, and are lost with its machine's power.
	ConfirmedBySystem
	// ConfirmedReplicated messages survive any machine of several, and are lost when most lose power at once.
	ConfirmedReplicated
	// ConfirmedFlushed messages are on disk.
	ConfirmedFlushed
)

// String gives the level in words.
func (c Confirmation) String() string {
	return word(uint8(c), "in memory", "by the system", "replicated", "flushed")
}

// AckMode says what a broker remembers of settled deliveries.
type AckMode uint8

const (
	// AckEach settles each delivery by itself. After a crash what was not settled comes again, and at most what was settled in the moment
	// before.
	AckEach AckMode = iota
	// AckWatermark notes how far everything is settled, in each partition. After a crash what stands behind the first delivery that was
	// not settled comes again too.
	AckWatermark
)

// String gives the mode in words.
func (a AckMode) String() string { return word(uint8(a), "each", "watermark") }

// KeyOrder says when the messages of a key come in the order they were published in.
type KeyOrder uint8

const (
	// OrderNone is no promise: redelivery, or another consumer, may change it.
	OrderNone KeyOrder = iota
	// OrderAlone holds as long as a subscription has one consumer at a time.
	OrderAlone
	// OrderShared holds also while consumers of one subscription come, go and die.
	OrderShared
)

// String gives the order in words.
func (o KeyOrder) String() string { return word(uint8(o), "none", "one consumer", "shared") }

// word is one of some words, or the number where there is none.
func word(n uint8, words ...string) string {
	if int(n) < len(words) {
		return words[n]
	}
	return strconv.Itoa(int(n))
}
