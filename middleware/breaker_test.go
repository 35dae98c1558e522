package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/middleware"
)

// broken makes a breaker with a downstream that has failed until it opened.
func broken(t *testing.T, options ...middleware.BreakerOption) (*middleware.Breaker, *downstream, carillon.Handler) {
	t.Helper()
	b, d := middleware.NewBreaker("payments", options...), new(downstream)
	handler := b.Middleware(d.handle)
	d.fail(errAway)
	for range 5 {
		if err := call(t, handler); !errors.Is(err, errAway) {
			t.Fatal(err)
		}
	}
	if got := b.Status().State; got != middleware.BreakerOpen {
		t.Fatalf("after 5 failures the breaker is %v", got)
	}
	return b, d, handler
}

// TestBreakerGoesRound follows a breaker from closed over open and half-open, back, and to closed.
func TestBreakerGoesRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := middleware.NewBreaker("payments", middleware.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		var d downstream
		handler := b.Middleware(d.handle)
		began := time.Now().UTC()
		step := func(name string, wantErr error, want middleware.BreakerStatus) {
			t.Helper()
			if err := call(t, handler); !errors.Is(err, wantErr) {
				t.Errorf("%s: error %v, want %v", name, err, wantErr)
			}
			if diff := cmp.Diff(want, b.Status()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		step("a success", nil, middleware.BreakerStatus{Since: began, Calls: 1})
		d.fail(errAway)
		for i := range 4 {
			step("a failure", errAway, middleware.BreakerStatus{Since: began, Calls: 2 + i, Failures: 1 + i})
		}
		<-time.After(time.Second)
		open := middleware.BreakerStatus{
			State: middleware.BreakerOpen, Since: began.Add(time.Second), Calls: 6, Failures: 5, Opened: 1, Refuses: 5 * time.Second,
		}
		step("the failure that opens it", carillon.ErrUnavailable, open)
		<-time.After(4 * time.Second)
		open.Refuses = time.Second
		step("refused", middleware.ErrOpen, open)
		<-time.After(time.Second)
		made := d.calls.Load()
		step("a probe that fails", middleware.ErrOpen, middleware.BreakerStatus{
			State: middleware.BreakerOpen, Since: began.Add(6 * time.Second), Calls: 1, Failures: 1, Opened: 2, Refuses: 5 * time.Second,
		})
		if d.calls.Load() != made+1 {
			t.Errorf("the probe was not made")
		}
		d.mend()
		<-time.After(5 * time.Second)
		step("a probe that succeeds", nil, middleware.BreakerStatus{Since: began.Add(11 * time.Second), Opened: 2})
		if got := strings.Count(log.String(), "circuit breaker changed"); got != 5 {
			t.Errorf("%d changes logged, want 5:\n%s", got, log.String())
		}
		detail := b.Describe().Detail
		if detail["state"] != "closed" || detail["opened"] != "2 times" {
			t.Errorf("described as %v", detail)
		}
	})
}

// TestBreakerCountsFailuresAlone calls with outcomes that are the caller's own doing, and with failures.
func TestBreakerCountsFailuresAlone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want middleware.BreakerState
	}{
		{"failures", errAway, middleware.BreakerOpen},
		{"timeouts", carillon.ErrTimeout, middleware.BreakerOpen},
		{"rejections", carillon.Rejectf("sold out"), middleware.BreakerClosed},
		{"conflicts", carillon.ErrConflict, middleware.BreakerClosed},
		{"a full bulkhead inside", middleware.ErrFull, middleware.BreakerClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := middleware.NewBreaker("payments")
			var d downstream
			d.fail(test.err)
			for range 20 {
				if err := call(t, b.Middleware(d.handle)); err == nil {
					t.Error("no error")
				}
			}
			if got := b.Status().State; got != test.want {
				t.Errorf("the breaker is %v, want %v", got, test.want)
			}
		})
	}
}

// TestBreakerIgnoresCallersWhoGiveUp has callers give up again and again, also as the probe: the breaker neither opens nor closes on it.
func TestBreakerIgnoresCallersWhoGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		giveUp := func(b *middleware.Breaker) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := b.Middleware(func(ctx context.Context, _ *carillon.Message) (any, error) {
				cancel()
				return nil, ctx.Err()
			})(ctx, &carillon.Message{})
			if !errors.Is(err, context.Canceled) || errors.Is(err, carillon.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
		}
		closed := middleware.NewBreaker("a")
		for range 20 {
			giveUp(closed)
		}
		if got := closed.Status(); got.State != middleware.BreakerClosed || got.Calls != 0 {
			t.Errorf("%+v", got)
		}
		b, d, handler := broken(t)
		<-time.After(5 * time.Second)
		giveUp(b)
		if got := b.Status().State; got != middleware.BreakerOpen {
			t.Errorf("after a probe that found out nothing it is %v", got)
		}
		d.mend()
		<-time.After(5 * time.Second)
		if err := call(t, handler); err != nil {
			t.Error(err)
		}
	})
}

// TestHalfOpenLetsAFewThrough has many call at once when the breaker may be probed.
func TestHalfOpenLetsAFewThrough(t *testing.T) {
	t.Parallel()
	for _, probes := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			b, _, _ := broken(t, middleware.Probes(probes))
			<-time.After(5 * time.Second)
			together, refused := crowd(t, b.Middleware(busy), 10, middleware.ErrOpen)
			if together != int64(probes) || refused != int64(10-probes) {
				t.Errorf("%d probes: %d together, %d refused", probes, together, refused)
			}
			if got := b.Status().State; got != middleware.BreakerClosed {
				t.Errorf("after %d probes that succeeded it is %v", probes, got)
			}
		})
	}
}

// TestLateOutcomesAreNoProbes has a call begin before the breaker opens and end well while it is half-open: that says nothing of now.
func TestLateOutcomesAreNoProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := middleware.NewBreaker("payments", middleware.OpensAfter(1, 1))
		late := make(chan error)
		go func() {
			_, err := b.Middleware(slow(7*time.Second, true, nil))(t.Context(), &carillon.Message{})
			late <- err
		}()
		synctest.Wait()
		var d downstream
		d.fail(errAway)
		if err := call(t, b.Middleware(d.handle)); !errors.Is(err, errAway) {
			t.Fatal(err)
		}
		<-time.After(6 * time.Second)
		go func() { _, _ = b.Middleware(slow(4*time.Second, true, errAway))(t.Context(), &carillon.Message{}) }()
		if err := <-late; err != nil {
			t.Error(err)
		}
		if got := b.Status().State; got != middleware.BreakerHalfOpen {
			t.Errorf("while it is probed it is %v", got)
		}
		<-time.After(4 * time.Second)
		if got := b.Status().State; got != middleware.BreakerOpen {
			t.Errorf("after the probe failed it is %v", got)
		}
	})
}

// TestAProbeThatPanicsEnds has the probe panic: it is a failure, and the next one is let through.
func TestAProbeThatPanicsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, d, handler := broken(t)
		<-time.After(5 * time.Second)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = call(t, b.Middleware(func(context.Context, *carillon.Message) (any, error) { panic("no") }))
		}()
		if got := b.Status().State; got != middleware.BreakerOpen {
			t.Errorf("after the panic it is %v", got)
		}
		d.mend()
		<-time.After(5 * time.Second)
		if err := call(t, handler); err != nil {
			t.Error(err)
		}
	})
}
