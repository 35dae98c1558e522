package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"

	"github.com/carillon-go/carillon"
)

// AdmissionOption changes a default of [Bulkhead] or [RateLimit].
type AdmissionOption func(*admission)

type admission struct{ wait time.Duration }

// WaitUpTo lets a call wait so long for its turn before it is refused; by default it is refused at once.
func WaitUpTo(wait time.Duration) AdmissionOption {
	return func(a *admission) { a.wait = max(0, wait) }
}

func admissionOf(options []AdmissionOption) admission {
	var a admission
	for _, option := range options {
		option(&a)
	}
	return a
}

// Bulkhead lets so many calls through at a time, at least one, so that a slow subject does not take up the whole service. The others are
// refused with [ErrFull].
func Bulkhead(name string, calls int, options ...AdmissionOption) carillon.Middleware {
	admit := admissionOf(options)
	places := bulkhead.New[any](uint(max(1, calls)))
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			err := places.AcquirePermitWithMaxWait(ctx, admit.wait)
			if errors.Is(err, bulkhead.ErrFull) {
				return nil, fmt.Errorf("%s: %w", name, ErrFull)
			}
			if err != nil {
				return nil, err
			}
			defer places.ReleasePermit()
			return next(ctx, message)
		}
	}
}
