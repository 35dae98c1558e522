package clients

import (
	"context"
	"time"
)

// Waiting is how a subscription waits for something to hand out.
type Waiting struct {
	// More says that there may be something, Closing that there will be nothing any more.
	More, Closing <-chan struct{}
	// Patience is how long a connection may be lost before that is said, with the error that Lost returns.
	Patience time.Duration
	Lost     func(ctx context.Context) error
}

// Receive returns what take hands out, once that is something. take says whether there is a connection, and fails when the subscription
// is closed.
func Receive[T any](ctx context.Context, w Waiting, take func() (taken []T, connected bool, err error)) ([]T, error) {
	var patience <-chan time.Time
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		taken, connected, err := take()
		if err != nil || len(taken) > 0 {
			return taken, err
		}
		if connected {
			patience = nil
		} else if patience == nil {
			patience = time.After(w.Patience)
		}
		select {
		case <-w.More:
		case <-w.Closing:
		case <-patience:
			return nil, w.Lost(ctx)
		case <-ctx.Done():
		}
	}
}
