package middleware_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/middleware"
)

// crowd makes calls of a second at once, and counts how many were under way together, and how many were refused with an error.
func crowd(t *testing.T, handler carillon.Handler, calls int, refusal error) (together, refused int64) {
	t.Helper()
	var running sync.WaitGroup
	var now, most, no atomic.Int64
	for range calls {
		running.Go(func() {
			_, err := handler(context.WithValue(t.Context(), counter{}, &counts{now: &now, most: &most}), &carillon.Message{})
			if errors.Is(err, refusal) && errors.Is(err, carillon.ErrUnavailable) {
				no.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	return most.Load(), no.Load()
}

// without is no policy.
func without() carillon.Middleware {
	return func(next carillon.Handler) carillon.Handler { return next }
}

type counter struct{}

type counts struct{ now, most *atomic.Int64 }

// busy takes a second.
func busy(ctx context.Context, _ *carillon.Message) (any, error) {
	c := ctx.Value(counter{}).(*counts)
	if now := c.now.Add(1); now > c.most.Load() {
		c.most.Store(now)
	}
	defer c.now.Add(-1)
	<-time.After(time.Second)
	return "done", nil
}

func TestBulkhead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name              string
		policy            func() carillon.Middleware // made in the bubble, as all it waits on
		together, refused int64
	}{
		{"without", without, 10, 0},
		{"three at a time", func() carillon.Middleware { return middleware.Bulkhead("payments", 3) }, 3, 7},
		{"none is one", func() carillon.Middleware { return middleware.Bulkhead("payments", 0) }, 1, 9},
		{"waiting for all", func() carillon.Middleware {
			return middleware.Bulkhead("payments", 3, middleware.WaitUpTo(time.Minute))
		}, 3, 0},
		{"waiting for some", func() carillon.Middleware {
			return middleware.Bulkhead("payments", 3, middleware.WaitUpTo(1500*time.Millisecond))
		}, 3, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				together, refused := crowd(t, test.policy()(busy), 10, middleware.ErrFull)
				if together != test.together || refused != test.refused {
					t.Errorf("%d together, %d refused, want %d and %d", together, refused, test.together, test.refused)
				}
			})
		})
	}
}

// TestBulkheadIsFreedByAPanic calls what panics more often than there are places.
func TestBulkheadIsFreedByAPanic(t *testing.T) {
	t.Parallel()
	policy := middleware.Bulkhead("payments", 1)
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = call(t, policy(func(context.Context, *carillon.Message) (any, error) { panic("no") }))
		}()
	}
	var d downstream
	if err := call(t, policy(d.handle)); err != nil {
		t.Error(err)
	}
}

// TestWaitingEndsWithItsContext waits for a place longer than the caller does.
func TestWaitingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy func() carillon.Middleware
	}{
		{"bulkhead", func() carillon.Middleware { return middleware.Bulkhead("a", 1, middleware.WaitUpTo(time.Hour)) }},
		{"rate limit", func() carillon.Middleware {
			return middleware.RateLimit("a", 1, time.Minute, middleware.WaitUpTo(time.Hour))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				handler := test.policy()(slow(30*time.Second, true, nil))
				go func() { _, _ = handler(t.Context(), &carillon.Message{}) }()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				_, err := handler(ctx, &carillon.Message{})
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, carillon.ErrUnavailable) || time.Since(began) != time.Second {
					t.Errorf("error %v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// TestRateLimit makes a call every 100 ms for 3 s.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy func() carillon.Middleware
		made   int64
	}{
		{"without", without, 30},
		{"two in a second", func() carillon.Middleware { return middleware.RateLimit("a", 2, time.Second) }, 6},
		{"none is one", func() carillon.Middleware { return middleware.RateLimit("a", 0, time.Second) }, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d downstream
				handler := test.policy()(d.handle)
				for range 30 {
					if err := call(t, handler); err != nil && (!errors.Is(err, middleware.ErrLimited) || !errors.Is(err, carillon.ErrUnavailable)) {
						t.Error(err)
					}
					<-time.After(100 * time.Millisecond)
				}
				if got := d.calls.Load(); got != test.made {
					t.Errorf("%d calls made, want %d", got, test.made)
				}
			})
		})
	}
}

// TestRateLimitCanBeWaitedFor makes calls one after the other, which all wait for their period.
func TestRateLimitCanBeWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d downstream
		handler := middleware.RateLimit("a", 2, time.Second, middleware.WaitUpTo(time.Minute))(d.handle)
		began := time.Now()
		for range 10 {
			if err := call(t, handler); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("10 calls took %v, want 4s", took)
		}
	})
}
