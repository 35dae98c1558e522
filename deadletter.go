package carillon

import (
	"context"
	"time"
)

// DeadLetter is an event that a projection or reactor could not handle, or one that waits behind such an event of its key.
type DeadLetter struct {
	// Consumer is the name of the projection or reactor.
	Consumer string
	// Key is what order is kept per: events of one key are handled in the order of their positions, also after a retry.
	Key string
	// Position is the event's place in the log, which keeps the event itself.
	Position Position
	// Attempts is how often it was tried; 0 for an event that waits behind another.
	Attempts int
	// Cause is the last error's text, Stack where the panic was, if it was one.
	Cause, Stack string
	// First and Last are when it failed, in UTC; zero for an event that waits.
	First, Last time.Time
}

// ParkedKey is a key whose events are parked.
type ParkedKey struct {
	Key string
	// Letters is how many events it has, First the position of the first.
	Letters int64
	First   Position
	// Retry says that somebody asked for another try, and the consumer has not got to it yet.
	Retry bool
}

// DeadLetters is the port of parked events. Those of a shadow are not among them. All methods are safe for concurrent use.
type DeadLetters interface {
	// Keys returns the parked keys of a consumer, in order of key.
	Keys(ctx context.Context, consumer string) ([]ParkedKey, error)

	// Letters returns the letters of a key after a position, in order, at most limit of them.
	Letters(ctx context.Context, consumer, key string, after Position, limit int) ([]DeadLetter, error)

	// Retry asks the consumer to try a key again, from its first letter on; the consumer does so when it runs. An unknown key is
	// [ErrNotFound].
	Retry(ctx context.Context, consumer, key string) error

	// Discard drops the first letter of a key, which must stand at a position, so that the next one is tried. The event stays in
	// the log. A letter that is not the first is refused with [ErrConflict].
	Discard(ctx context.Context, consumer, key string, position Position) error
}

// DeadLetterStore is implemented by stores that park events in the transaction of the checkpoint.
type DeadLetterStore interface {
	DeadLetters() DeadLetters
}

// ParkingTx is a [ReadModelTx] of a store that parks events. The letters of a shadow's update are the shadow's own: they leave those of the
// live model alone, and take their place with [ReadModels.Switch].
type ParkingTx interface {
	// Park adds letters, or replaces those of their positions.
	Park(letters []DeadLetter) error
	// Replace puts a letter that was tried once more in its own place, or returns [ErrNotFound] when it is gone: it does not come back.
	Replace(letter DeadLetter) error
	// Unpark removes a letter that was handled. A key without letters is no longer parked. [ErrNotFound] says that the letter is gone:
	// somebody has discarded it, or a rebuild has dropped it.
	Unpark(key string, position Position) error
	// Tried notes that the tries somebody asked for were made. Nobody asks for those of a shadow.
	Tried(key string) error
}
