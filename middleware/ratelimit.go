package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"

	"github.com/carillon-go/carillon"
)

// RateLimit lets so many calls through in each period, at least one, in a burst if they come so. The others are refused with
// [ErrLimited].
func RateLimit(name string, calls int, period time.Duration, options ...AdmissionOption) carillon.Middleware {
	admit := admissionOf(options)
	permits := ratelimiter.NewBursty[any](uint(max(1, calls)), max(1, period))
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			err := permits.AcquirePermitWithMaxWait(ctx, admit.wait)
			if errors.Is(err, ratelimiter.ErrExceeded) {
				return nil, fmt.Errorf("%s: %w", name, ErrLimited)
			}
			if err != nil {
				return nil, err
			}
			return next(ctx, message)
		}
	}
}
