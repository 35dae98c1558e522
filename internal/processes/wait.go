package processes

import (
	"context"
	"testing"
	"time"
)

// Patience is how long a test waits for what must come.
const Patience = 60 * time.Second

// Rest waits, and reports whether the context still runs.
func Rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Await returns once a condition holds, and how long that took.
func Await(t testing.TB, what string, holds func() bool) time.Duration {
	t.Helper()
	return AwaitFor(t, what, Patience, holds)
}

// AwaitFor is [Await] with a patience of its own.
func AwaitFor(t testing.TB, what string, patience time.Duration, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		if time.Since(begin) > patience {
			t.Fatalf("%s: it did not come within %v", what, patience)
		}
		<-ticker.C
	}
	return time.Since(begin)
}
