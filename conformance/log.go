package conformance

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/carillon-go/carillon"
)

// LogOpener makes a new, empty place for a store and returns how to open it. Opening it again after a close finds what was
// there. The kit calls it for each check, from several goroutines at a time.
type LogOpener func(t testing.TB) carillon.Opener

// Log tests the log of an adapter's store. It returns when all checks have ended.
func Log(t *testing.T, open LogOpener, options ...LogOption) {
	t.Helper()
	settings, err := newSettings(os.Getenv, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Log", func(t *testing.T) {
		t.Logf("sizes %+v, seed %d (repeat with %s=%d)", settings.sizes, settings.seed, seedVariable, settings.seed)
		for _, check := range logChecks() {
			t.Run(check.name, func(t *testing.T) {
				t.Parallel()
				err := check.against(t.Context(), t, open, settings)
				if reason, skipped := errors.AsType[skip](err); skipped {
					t.Skip(string(reason))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// logChecks lists what [Log] checks.
func logChecks() []check {
	return slices.Concat(
		guardChecks(),
		commandChecks(),
		batchChecks(),
		readChecks(),
		messageChecks(),
		raceChecks(),
		boundaryRaceChecks(),
		slowChecks(),
		[]check{
			{"history", checkHistory},
			{"linearizable", checkLinearizable},
			{"tail", checkTail},
			{"stream names", checkStreamNames},
			{"snapshot tails", checkSnapshotTails},
		},
		lifecycleChecks(),
		contextChecks(),
	)
}
