package middleware_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/middleware"
)

// TestBreakerHistory takes a breaker through its states and reads when it came into each.
func TestBreakerHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		breaker := middleware.NewBreaker("downstream", middleware.OpensAfter(1, 1), middleware.StaysOpen(time.Second))
		var d downstream
		handler := breaker.Middleware(d.handle)
		began := time.Now().UTC()
		at := func(seconds int, state middleware.BreakerState) middleware.BreakerPeriod {
			return middleware.BreakerPeriod{State: state, Since: began.Add(time.Duration(seconds) * time.Second)}
		}
		want := []middleware.BreakerPeriod{at(0, middleware.BreakerClosed)}
		<-time.After(3 * time.Second)
		d.fail(errAway)
		_ = call(t, handler) // opens it
		<-time.After(2 * time.Second)
		d.mend()
		if err := call(t, handler); err != nil {
			t.Fatal(err)
		}
		want = append(want, at(3, middleware.BreakerOpen), at(5, middleware.BreakerHalfOpen), at(5, middleware.BreakerClosed))
		if diff := cmp.Diff(want, breaker.History()); diff != "" {
			t.Error(diff)
		}
		for range 200 {
			d.fail(errAway)
			_ = call(t, handler) // opens it
			<-time.After(2 * time.Second)
			d.mend()
			_ = call(t, handler) // closes it
		}
		past := breaker.History()
		if len(past) != 256 || past[255].State != middleware.BreakerClosed || past[255].Since != time.Now().UTC() {
			t.Errorf("after 600 changes it remembers %d, the last %+v", len(past), past[len(past)-1])
		}
	})
}
