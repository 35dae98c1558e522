package messaging

import (
	"context"

	"github.com/carillon-go/carillon"
)

// Call handles messages of a type outside any transaction, those of different keys side by side: it is for what takes its time or goes
// elsewhere, such as an HTTP request. It may be called again for a message it has handled, as after a crash: whoever is called tells by
// the message's id. An error that is [carillon.ErrUnavailable] makes the key wait and counts no attempt.
func Call[M any](call func(ctx context.Context, message *carillon.Message, m M) error) ConsumerPart {
	return with[M](handler{call: func(ctx context.Context, message *carillon.Message, value any) error {
		return call(ctx, message, value.(M))
	}})
}

// isOutside reports whether messages are handled outside the consumer's transaction.
func (h handler) isOutside() bool { return h.command != nil || h.call != nil }
