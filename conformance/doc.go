// Package conformance is the test kit for adapter authors: it opens an adapter's store and reports every promise of the ports that
// the store breaks. [Log] checks the log, [ReadModel] what is kept beside it: read models, snapshots, dead letters and leases.
// [Broker] checks a broker, against what it says of itself in its capabilities; [DocumentBroker] and [CapabilityTable] write that down.
//
// An adapter's test hands it a way to a new, empty store:
//
//	func TestLog(t *testing.T) {
//		conformance.Log(t, func(t testing.TB) carillon.Opener {
//			return sqlite.File(filepath.Join(t.TempDir(), "log.db"))
//		})
//	}
//
// Every check opens a store of its own, and some close it and open it again. The checks are subtests, so one of them runs
// alone with go test -run 'TestLog/Log/history'. A check that the adapter gives no handle for is reported as skipped, with the
// reason; [WithSlowCommits] gives the handle for commits that take long.
//
// The sizes of races, tails and histories are those of [DefaultSizes]. CARILLON_CONFORMANCE=full in the environment asks for
// [FullSizes]; run that with -race and a -timeout of an hour. Random checks print their seed;
// CARILLON_CONFORMANCE_SEED repeats them.
package conformance
