package consume

import (
	"context"
	"iter"

	"github.com/carillon-go/carillon"
)

// Delivery is one event on its way to a handler.
type Delivery[T any] struct {
	Position carillon.Position
	// Key is what order is kept per. A delivery with an empty key is in order with no other.
	Key   string
	Value T
}

// Batch is the next stretch of a source.
type Batch[T any] struct {
	// Deliveries are in ascending order of position. They are copied before the source is asked for more.
	Deliveries []Delivery[T]
	// Through is the position the stretch ends at: the events up to it that are not among the deliveries are nobody's concern.
	Through carillon.Position
}

// Source yields the batches behind the position the consumer starts after. An error is the last yield. A source that ends
// without one is drained to the last delivery. It ends when the context does.
type Source[T any] func(ctx context.Context) iter.Seq2[Batch[T], error]

// Handler handles one delivery. Returning nil completes it; an error, or a panic, is a failed attempt, and a [Permanent] error
// the last one. The context ends when the consumer shuts down and the drain limit has passed.
type Handler[T any] func(ctx context.Context, value T) error

// BatchHandler handles deliveries of different keys at once, such as in one transaction. It returns an error for each, nil for one that
// is complete, or nil when all are. A panic is a failed attempt of all.
type BatchHandler[T any] func(ctx context.Context, values []T) []error

// Commit is what a consumer asks to be made durable, in one write.
type Commit[T any] struct {
	// Through is the checkpoint: every delivery up to it is done, parked before, or among Letters.
	Through carillon.Position
	// Deliveries is how many deliveries the checkpoint passes since the last commit. With 0 and without letters the commit only
	// passes events nobody handles, and the write may be put off.
	Deliveries int
	// Letters are the deliveries to park. Those of one key are in order, and behind those of earlier commits.
	Letters []Letter[T]

	passed uint64
}

// Committer makes a commit durable, all of it or nothing. An error means that the outcome is failed or unknown: the commit comes
// again with the same letters first, perhaps with more, so that a letter is stored under its position and not twice. A
// [Permanent] error, such as a lost claim, ends the consumer. The letters are valid until it returns.
type Committer[T any] func(ctx context.Context, commit Commit[T]) error
