package middleware_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/middleware"
)

// slow takes a time, or until its context ends if it looks at that.
func slow(takes time.Duration, looks bool, outcome error) carillon.Handler {
	return func(ctx context.Context, _ *carillon.Message) (any, error) {
		var gone <-chan struct{}
		if looks {
			gone = ctx.Done()
		}
		select {
		case <-time.After(takes):
			return "done", outcome
		case <-gone:
			return nil, ctx.Err()
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler carillon.Handler
		want    error
		takes   time.Duration
	}{
		{"in time", slow(900*time.Millisecond, true, nil), nil, 900 * time.Millisecond},
		{"too long", slow(time.Minute, true, nil), carillon.ErrTimeout, time.Second},
		{"too long, deaf to its context, done", slow(time.Minute, false, nil), nil, time.Minute},
		{"too long, deaf to its context, failed", slow(time.Minute, false, errAway), carillon.ErrTimeout, time.Minute},
		{"failed in time", slow(0, true, errAway), errAway, 0},
		{"a rejection, late", slow(time.Minute, false, carillon.ErrRejected), carillon.ErrRejected, time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := call(t, middleware.Timeout(time.Second)(test.handler))
				if !errors.Is(err, test.want) || errors.Is(err, carillon.ErrTimeout) != errors.Is(test.want, carillon.ErrTimeout) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if took := time.Since(began); took != test.takes {
					t.Errorf("it took %v, want %v", took, test.takes)
				}
			})
		})
	}
}

// TestTimeoutIsNotTheCallersEnd has the caller give up first.
func TestTimeoutIsNotTheCallersEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := middleware.Timeout(time.Second)(slow(time.Minute, true, nil))(ctx, &carillon.Message{})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, carillon.ErrTimeout) {
			t.Errorf("error %v, want the end of the caller's context", err)
		}
	})
}

// TestTimeoutOfEachAttempt tries what is too slow at first again.
func TestTimeoutOfEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		takes := []time.Duration{time.Minute, time.Minute, 0}
		handler := carillon.Chain(func(ctx context.Context, m *carillon.Message) (any, error) {
			next := slow(takes[0], true, nil)
			takes = takes[1:]
			return next(ctx, m)
		}, middleware.Retry(), middleware.Timeout(time.Second))
		if err := call(t, handler); err != nil || len(takes) != 0 {
			t.Errorf("error %v with %d attempts left", err, len(takes))
		}
	})
}
