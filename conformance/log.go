package conformance

import (
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
	perform(t, "Log", logChecks(), open, options)
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
