package conformance

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
)

// brokenLog is a log with one fault, and the checks that must each find it.
type brokenLog struct {
	fault    string
	open     LogOpener
	openSlow func(t testing.TB, stall func()) carillon.Opener
	caughtBy []string
}

func brokenLogs() []brokenLog {
	return slices.Concat(
		brokenGuards(),
		brokenCommands(),
		brokenBatches(),
		brokenReads(),
		brokenMessages(),
		brokenTransactions(),
		brokenVisibility(),
		brokenOrder(),
		brokenSlowCommits(),
		brokenLifecycles(),
		brokenSnapshots(),
	)
}

// testSizes are small, but for the rounds: they give a race its chances.
func testSizes() Sizes {
	return Sizes{
		Racers: 8, Rounds: 25, Writers: 16, TailedEvents: 2000, Histories: 2, HistorySteps: 100,
		ConcurrentHistories: 20, ConcurrentCalls: 500,
	}
}

func testSettings(t *testing.T, options ...LogOption) settings {
	t.Helper()
	settings, err := newSettings(func(string) string { return "" }, append([]LogOption{WithSizes(testSizes())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestEveryBrokenLogIsCaught(t *testing.T) {
	t.Parallel()
	for _, broken := range brokenLogs() {
		t.Run(broken.fault, func(t *testing.T) {
			t.Parallel()
			settings := testSettings(t, WithSlowCommits(broken.openSlow))
			open := broken.open
			if open == nil {
				open = alter(func(*altered) {})
			}
			for _, name := range broken.caughtBy {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := named(t, name).against(ctx, t, open, settings)
				cancel()
				if _, skipped := errors.AsType[skip](err); skipped || err == nil || isContextError(err) && ctx.Err() == context.DeadlineExceeded {
					t.Errorf("%s did not catch it: %v (seed %d)", name, err, settings.seed)
					continue
				}
				t.Logf("%s: %v", name, err)
			}
		})
	}
}

func TestEveryCheckCatchesABrokenLog(t *testing.T) {
	t.Parallel()
	var catching []string
	for _, broken := range brokenLogs() {
		catching = append(catching, broken.caughtBy...)
	}
	for _, check := range logChecks() {
		if !slices.Contains(catching, check.name) {
			t.Errorf("no broken log shows that the check %q can fail", check.name)
		}
	}
}

func named(t *testing.T, name string) check {
	t.Helper()
	checks := logChecks()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return checks[i]
}
