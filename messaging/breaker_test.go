package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/middleware"
)

// transitions is a log that keeps the states a breaker comes into.
type transitions struct {
	slog.Handler
	began time.Time

	mu sync.Mutex
	to []string
	at []time.Duration
}

func (l *transitions) Enabled(context.Context, slog.Level) bool { return true }

func (l *transitions) Handle(_ context.Context, record slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "to" {
			l.to, l.at = append(l.to, a.Value.String()), append(l.at, time.Since(l.began))
		}
		return true
	})
	return nil
}

// payments is a service that is away from one time to another.
type payments struct{ gone, back time.Time }

func (p payments) charge(context.Context) (string, error) {
	if now := time.Now(); !now.Before(p.gone) && now.Before(p.back) {
		return "", errors.New("connection refused")
	}
	return "charged", nil
}

// outage takes orders of some keys, two a second of each, while payments are up for 5 s, away for a time, and up for another 60 s. It
// returns how many orders of each key there were, what was charged by key, in order, and how many keys are parked.
func outage(t *testing.T, keys int, away time.Duration, policies ...carillon.Middleware) (orders int, charged [][]int, parked int) {
	t.Helper()
	store, topic := memory.Volatile(), ordersTopic()
	e := messaging.NewEngine(store)
	downstream := payments{gone: time.Now().Add(5 * time.Second), back: time.Now().Add(5*time.Second + away)}
	must(t, e.Publishes(topic), e.Add(messaging.Consume("charging", topic,
		messaging.On(func(ctx context.Context, tx *messaging.Tx, p placed) error {
			if _, err := middleware.Call(ctx, "charge", downstream.charge, policies...); err != nil {
				return err
			}
			done, _, err := messaging.Load[[]int](tx, p.Order)
			if err != nil {
				return err
			}
			return messaging.Save(tx, p.Order, append(done, p.Number))
		}))))
	stop := run(t, e)
	for end := downstream.back.Add(time.Minute); time.Now().Before(end); orders++ {
		for key := range keys {
			must(t, e.Publish(t.Context(), topic, placed{fmt.Sprint("order ", key), orders}))
		}
		elapse(500 * time.Millisecond)
	}
	elapse(2 * time.Minute)
	for key := range keys {
		done, err := messaging.Kept[[]int](t.Context(), e, "charging", fmt.Sprint("order ", key))
		must(t, err)
		charged = append(charged, done)
	}
	letters, err := store.DeadLetters().Keys(t.Context(), "charging")
	must(t, err)
	stop()
	return orders, charged, len(letters)
}

// TestABreakerKeepsMessagesWaiting has payments away for 60 s: orders are accepted all the time, none is parked, and when payments are
// back every order is charged once, in the order of its key.
func TestABreakerKeepsMessagesWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := &transitions{began: time.Now()}
		breaker := middleware.NewBreaker("payments", middleware.WithLogger(slog.New(seen)))
		orders, charged, parked := outage(t, 8, time.Minute, breaker.Middleware)
		if parked != 0 {
			t.Errorf("%d keys are parked", parked)
		}
		for key, got := range charged {
			if diff := cmp.Diff(upTo(orders), got); diff != "" {
				t.Errorf("order %d: %s", key, diff)
			}
		}
		status := breaker.Status()
		if status.State != middleware.BreakerClosed || status.Opened < 2 {
			t.Errorf("the breaker ends as %+v", status)
		}
		follows := map[string][]string{"closed": {"open"}, "open": {"half-open"}, "half-open": {"open", "closed"}}
		state, openSince := "closed", time.Duration(0)
		for i, to := range seen.to {
			t.Logf("%8v  %s", seen.at[i], to)
			if !slices.Contains(follows[state], to) {
				t.Errorf("from %s to %s", state, to)
			}
			if to == "half-open" && seen.at[i]-openSince < 5*time.Second {
				t.Errorf("probed after %v", seen.at[i]-openSince)
			}
			if to == "closed" && seen.at[i] < 65*time.Second {
				t.Errorf("closed at %v, while payments were away", seen.at[i])
			}
			if to == "open" {
				openSince = seen.at[i]
			}
			state = to
		}
		if len(seen.to) < 4 || state != "closed" || status.Since.Sub(seen.began) > 100*time.Second {
			t.Errorf("after %d changes it is %s, since %v", len(seen.to), state, status.Since.Sub(seen.began))
		}
	})
}

// TestProbesAreNoAttempts has payments away for so long that the one key there is makes more probes than it has attempts.
func TestProbesAreNoAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		breaker := middleware.NewBreaker("payments")
		orders, charged, parked := outage(t, 1, 5*time.Minute, breaker.Middleware)
		if diff := cmp.Diff([][]int{upTo(orders)}, charged); diff != "" || parked != 0 {
			t.Errorf("%d keys are parked; %s", parked, diff)
		}
		if opened := breaker.Status().Opened; opened < 7 {
			t.Errorf("the breaker opened %d times, which are too few probes to tell", opened)
		}
	})
}

// TestWithoutABreakerMessagesAreParked is the same without the breaker: the attempts are used up while payments are away.
func TestWithoutABreakerMessagesAreParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if _, _, parked := outage(t, 8, time.Minute); parked == 0 {
			t.Error("no key is parked: the outage proves nothing about the breaker")
		}
	})
}
