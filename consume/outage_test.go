package consume_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// notes is a log that keeps when what was said.
type notes struct {
	slog.Handler
	began time.Time

	mu    sync.Mutex
	lines []string
}

func newNotes() *notes { return &notes{began: time.Now()} }

func (n *notes) Enabled(context.Context, slog.Level) bool { return true }

func (n *notes) Handle(_ context.Context, record slog.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf("%v %s", record.Time.Sub(n.began).Round(time.Minute), record.Message))
	return nil
}

const (
	waits    = "deliveries wait for what is unavailable"
	passed   = "no delivery waits any more for what was unavailable"
	failed   = "delivery failed"
	oftenest = time.Second
)

// TestAnOutageIsLoggedNowAndThen has what 50 deliveries need be away for three and a half minutes: thousands of tries are refused.
func TestAnOutageIsLoggedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, back, tries := newNotes(), time.Now().Add(3*time.Minute+30*time.Second), 0
		var mu sync.Mutex
		handle := func(context.Context, string) error {
			mu.Lock()
			defer mu.Unlock()
			if tries++; time.Now().Before(back) {
				return fmt.Errorf("payments: %w", carillon.ErrUnavailable)
			}
			return nil
		}
		var s store
		c := consume.New(finite(deliver(0, many(50)...)), handle, s.commit, consume.WithLogger(slog.New(log)),
			consume.WithRetry(consume.Retry{Attempts: 1 << 30, Last: oftenest}))
		if _, err := run(t, c).end(); err != nil || s.checkpoint != 50 {
			t.Fatalf("Run returned %v at checkpoint %d", err, s.checkpoint)
		}
		if tries < 5000 {
			t.Errorf("%d tries were no flood", tries)
		}
		want := []string{"0s " + waits, "1m0s " + waits, "2m0s " + waits, "3m0s " + waits, "4m0s " + passed}
		if diff := cmp.Diff(want, log.lines); diff != "" {
			t.Error(diff)
		}
	})
}

// TestAnOutageThatComesAndGoes has the first try of every delivery refused, for ten minutes.
func TestAnOutageThatComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var orders []string
		for i := range 600 {
			orders = append(orders, fmt.Sprint("a", i))
		}
		log, tries := newNotes(), 0
		handle := func(ctx context.Context, _ string) error {
			if tries++; tries%2 == 1 {
				return carillon.ErrUnavailable
			}
			return pause(ctx, time.Second)
		}
		var s store
		c := consume.New(finite(deliver(0, orders...)), handle, s.commit, consume.WithLogger(slog.New(log)))
		if _, err := run(t, c).end(); err != nil || s.checkpoint != 600 {
			t.Fatalf("Run returned %v at checkpoint %d", err, s.checkpoint)
		}
		if len(log.lines) < 10 || len(log.lines) > 24 {
			t.Errorf("%d lines in ten minutes: %q", len(log.lines), log.lines)
		}
	})
}

// TestOtherFailuresAreLogged has each of them logged, during an outage too, and the last try of a delivery as any other failure.
func TestOtherFailuresAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, tries := newNotes(), make(map[string]int)
		handle := func(_ context.Context, value string) error {
			switch tries[value]++; {
			case value == "a1":
				return carillon.ErrUnavailable
			case tries[value] < 3:
				return errors.New("broken")
			}
			return nil
		}
		var s store
		c := consume.New(finite(deliver(0, "a1", "b1")), handle, s.commit, consume.Workers(1), consume.WithLogger(slog.New(log)),
			consume.WithRetry(consume.Retry{Attempts: 3, Last: oftenest}))
		if _, err := run(t, c).end(); err != nil || len(s.letters) != 1 {
			t.Fatalf("Run returned %v, %d letters", err, len(s.letters))
		}
		counts := make(map[string]int)
		for _, line := range log.lines {
			counts[line]++
		}
		if diff := cmp.Diff(map[string]int{"0s " + waits: 1, "0s " + failed: 3, "0s " + passed: 1, "0s delivery parked": 1}, counts); diff != "" {
			t.Error(diff)
		}
	})
}
