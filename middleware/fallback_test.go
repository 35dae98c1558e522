package middleware_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/middleware"
)

func TestFallback(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    error
		want   any
		failed error
	}{
		{"no failure", nil, "done", nil},
		{"a failure", errAway, "yesterday's", nil},
		{"an open breaker", middleware.ErrOpen, "yesterday's", nil},
		{"a rejection", carillon.ErrRejected, nil, carillon.ErrRejected},
		{"permanent", consume.Permanent(errAway), nil, errAway},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var d downstream
			if test.err != nil {
				d.fail(test.err)
			}
			var cause error
			handler := middleware.Fallback(func(_ context.Context, _ *carillon.Message, because error) (any, error) {
				cause = because
				return "yesterday's", nil
			})(d.handle)
			result, err := handler(t.Context(), &carillon.Message{})
			if diff := cmp.Diff(test.want, result); diff != "" || !errors.Is(err, test.failed) {
				t.Errorf("%s error %v, want %v", diff, err, test.failed)
			}
			if test.want == "yesterday's" && !errors.Is(cause, test.err) {
				t.Errorf("the cause was %v, want %v", cause, test.err)
			}
		})
	}
}

// TestFallbackLeavesCancelledCallsAlone has the caller give up.
func TestFallbackLeavesCancelledCallsAlone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var d downstream
	d.fail(errAway)
	handler := middleware.Fallback(func(context.Context, *carillon.Message, error) (any, error) { return "yesterday's", nil })(d.handle)
	if result, err := handler(ctx, &carillon.Message{}); !errors.Is(err, errAway) || result != nil {
		t.Errorf("result %v, error %v", result, err)
	}
}

// TestCall answers with the type it is asked for.
func TestCall(t *testing.T) {
	t.Parallel()
	fails := func(context.Context) (int, error) { return 0, errAway }
	answer := func(with any) carillon.Middleware {
		return middleware.Fallback(func(context.Context, *carillon.Message, error) (any, error) { return with, nil })
	}
	if got, err := middleware.Call(t.Context(), "stock", fails, answer(7)); got != 7 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := middleware.Call(t.Context(), "stock", fails, answer("seven")); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("error %v, want ErrInvalid for a text in place of a number", err)
	}
	if _, err := middleware.Call(t.Context(), "stock", fails); !errors.Is(err, errAway) {
		t.Errorf("error %v, want the call's own", err)
	}
}
