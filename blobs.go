package carillon

import (
	"context"
	"time"
)

// Blobs is the port of a place for payloads that are too large for a broker: a message carries a reference in their stead, see
// messaging.ClaimCheck. All methods are safe for concurrent use, also by several processes.
type Blobs interface {
	// Put keeps a payload of a topic and returns the reference it is found under. It is durable when Put returns. The same payload put
	// again may be kept once; it stays for as long as if it had been put now. The reference is printable text of at most [MaxName]
	// bytes.
	Put(ctx context.Context, topic string, payload []byte) (reference string, err error)

	// Get returns a payload. It is [ErrNotFound] when there is none under the reference, and [ErrUnavailable] when the place cannot be
	// reached now, so that nobody knows.
	Get(ctx context.Context, reference string) ([]byte, error)

	// Sweep removes the payloads of a topic that were put before a time, and returns how many; some may stay until a later call.
	Sweep(ctx context.Context, topic string, before time.Time) (removed int, err error)
}
