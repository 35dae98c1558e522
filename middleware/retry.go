package middleware

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/carillon-go/carillon"
)

// RetryOption changes a default of [Retry].
type RetryOption func(*retry)

// Attempts is how often a call is tried in all, at least once; 3 times by default.
func Attempts(attempts int) RetryOption { return func(r *retry) { r.attempts = max(1, attempts) } }

// Pauses bounds the pause between attempts, which doubles from one to the other; 100 ms and 2 s by default. Each pause is shortened at
// random by up to half, so that callers that failed together do not come again together.
func Pauses(first, last time.Duration) RetryOption {
	return func(r *retry) { r.first, r.last = max(0, first), max(0, last) }
}

type retry struct {
	attempts    int
	first, last time.Duration
}

// Retry tries a call again that failed, after a pause, within the time of its context. When none succeeds the outcome is that of the last
// attempt. It is for blips of seconds at most: a consumer of messages tries again by itself, and for as long as it takes.
//
// An answer is not tried again, nor is a call that an open breaker refused. Of HTTP requests only those are whose method is idempotent
// or that have a header Idempotency-Key, and whose body can be sent again; a server that asks with Retry-After for a longer pause than
// the last gets no further request.
//
// A handler that publishes through a transaction is not to be wrapped: what it published before it failed would be published again.
// Wrap the call inside it.
func Retry(options ...RetryOption) carillon.Middleware {
	r := &retry{attempts: 3, first: 100 * time.Millisecond, last: 2 * time.Second}
	for _, option := range options {
		option(r)
	}
	executor := failsafe.With(retrypolicy.NewBuilder[any]().
		WithMaxAttempts(r.attempts).
		HandleIf(func(_ any, err error) bool { return r.mayHelp(err) }).
		WithDelayFunc(func(attempt failsafe.ExecutionAttempt[any]) time.Duration {
			return r.pause(attempt.Retries(), attempt.LastError())
		}).
		ReturnLastFailure().
		Build())
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			if !isRepeatable(message) {
				return next(ctx, message)
			}
			var result any
			var err error
			_, ended := executor.WithContext(ctx).Get(func() (any, error) {
				discard(result) // that of the attempt before
				result, err = next(ctx, message)
				return nil, err
			})
			if gone := ctx.Err(); err != nil && gone != nil && errors.Is(ended, gone) && !errors.Is(err, gone) {
				err = fmt.Errorf("%w; not tried again: %w", err, gone)
			}
			return result, err
		}
	}
}

// mayHelp reports whether another attempt may end otherwise.
func (r *retry) mayHelp(err error) bool {
	var status *StatusError
	if errors.As(err, &status) && status.RetryAfter > r.last {
		return false
	}
	return !isAnswer(err) && !errors.Is(err, ErrOpen)
}

// pause is the wait after a failure that so many retries came before.
func (r *retry) pause(retries int, err error) time.Duration {
	pause := r.last
	if doubled := min(retries, 62); r.first <= r.last>>doubled {
		pause = r.first << doubled
	}
	pause -= time.Duration(rand.Int64N(int64(pause)/2 + 1))
	var status *StatusError
	if errors.As(err, &status) {
		pause = max(pause, status.RetryAfter)
	}
	return pause
}
