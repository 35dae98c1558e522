package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/middleware"
)

// TestRetryTellsFailuresFromAnswers calls what never succeeds: a failure is tried three times, an answer once.
func TestRetryTellsFailuresFromAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want int64
	}{
		{"a failure", errAway, 3},
		{"unavailable", carillon.ErrUnavailable, 3},
		{"a timeout", carillon.ErrTimeout, 3},
		{"a full bulkhead", middleware.ErrFull, 3},
		{"an open breaker", middleware.ErrOpen, 1},
		{"permanent", consume.Permanent(errAway), 1},
		{"rejected", carillon.Rejectf("sold out"), 1},
		{"invalid", carillon.Invalidf("name", "it is not empty"), 1},
		{"a conflict, wrapped", fmt.Errorf("append: %w", &carillon.ConflictError{Guard: carillon.GuardVersion}), 1},
		{"not found", carillon.ErrNotFound, 1},
		{"no error", nil, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d downstream
				if test.err != nil {
					d.fail(test.err)
				}
				if err := call(t, middleware.Retry()(d.handle)); !errors.Is(err, test.err) {
					t.Errorf("error %v, want %v", err, test.err)
				}
				if got := d.calls.Load(); got != test.want {
					t.Errorf("%d attempts, want %d", got, test.want)
				}
			})
		})
	}
}

// TestRetryPausesDoubleAndVary looks at the pauses between many attempts: each is between half of its bound and the bound, and they are
// not the same from call to call.
func TestRetryPausesDoubleAndVary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		handler := middleware.Retry(middleware.Attempts(7), middleware.Pauses(100*time.Millisecond, time.Second))(
			func(context.Context, *carillon.Message) (any, error) {
				at = append(at, time.Now())
				return nil, errAway
			})
		firsts := make(map[time.Duration]bool)
		for range 20 {
			at = nil
			if err := call(t, handler); !errors.Is(err, errAway) {
				t.Fatal(err)
			}
			if len(at) != 7 {
				t.Fatalf("%d attempts, want 7", len(at))
			}
			for i, bound := range []time.Duration{
				100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, time.Second,
			} {
				if pause := at[i+1].Sub(at[i]); pause < bound/2 || pause > bound {
					t.Errorf("pause %d is %v, want %v to %v", i, pause, bound/2, bound)
				}
			}
			firsts[at[1].Sub(at[0])] = true
		}
		if len(firsts) < 10 {
			t.Errorf("%d different first pauses of 20: they do not vary", len(firsts))
		}
	})
}

// TestRetryEndsWithItsContext gives up within a pause that is longer than the caller waits.
func TestRetryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var d downstream
		d.fail(errAway)
		began := time.Now()
		_, err := middleware.Retry(middleware.Pauses(time.Hour, time.Hour))(d.handle)(ctx, &carillon.Message{})
		if !errors.Is(err, errAway) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the failure and the end of the context", err)
		}
		if took := time.Since(began); took != time.Second || d.calls.Load() != 1 {
			t.Errorf("%d attempts in %v, want one in 1s", d.calls.Load(), took)
		}
	})
}

// TestRetryKeepsALateSuccess has the context end while the attempt succeeds: what was done is not reported as undone.
func TestRetryKeepsALateSuccess(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	result, err := middleware.Retry()(func(context.Context, *carillon.Message) (any, error) {
		cancel()
		return "done", nil
	})(ctx, &carillon.Message{})
	if diff := cmp.Diff("done", result); diff != "" || err != nil {
		t.Errorf("%s error %v", diff, err)
	}
}

// TestRetrySucceedsInTheEnd tries until the downstream is back.
func TestRetrySucceedsInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		handler := func(context.Context, *carillon.Message) (any, error) {
			if tries++; tries < 3 {
				return nil, errAway
			}
			return "done", nil
		}
		if err := call(t, handler); !errors.Is(err, errAway) { // without
			t.Fatalf("error %v, the handler is to fail at first", err)
		}
		tries = 0
		if err := call(t, middleware.Retry()(handler)); err != nil {
			t.Error(err)
		}
	})
}
