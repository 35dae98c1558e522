package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
)

// brokenReadModels are the faults of the reference, and the checks that must each find them.
func brokenReadModels() map[string]string {
	return map[string]string{
		"commits what fn failed at":                             "failed update, parking rolled back, inbox rolled back",
		"moves the checkpoint although fn failed":               "failed update, parking rolled back",
		"makes a model although its first update failed":        "failed update",
		"commits what fn panicked in":                           "panicked update, parking rolled back",
		"begins updates whose context is cancelled":             "cancelled update",
		"commits half of what was cancelled":                    "cancelled update, cancelled update race",
		"denies that a cancelled update took place":             "cancelled update, cancelled update race",
		"runs updates side by side":                             "update race",
		"does not write what is to be flushed":                  "update",
		"hides its own rows from an update":                     "update view",
		"hides its own checkpoint from an update":               "update view, clear",
		"shows an update what it deleted":                       "update view",
		"counts the first of several rows with one key":         "put",
		"deletes before it writes":                              "put",
		"takes an empty value for a deletion":                   "put, row values",
		"reads an empty value as none":                          "put, row values",
		"clears the rows of all models":                         "clear, shadow",
		"clears the rows and not the checkpoint":                "clear",
		"clears what was there before the update":               "clear",
		"keeps the caller's bytes":                              "own bytes, snapshots",
		"forgets versions":                                      "update, row values",
		"keeps positions in 32 bits":                            "row values",
		"ends keys at a zero byte":                              "row order, snapshots, letter texts",
		"cuts long keys":                                        "row order, letter texts",
		"takes keys without regard to case":                     "row order, snapshots, parked letters",
		"orders rows without regard to case":                    "row order",
		"begins a page with the row before it":                  "row order, update",
		"gives a row too many":                                  "row order, update",
		"leaves out the last row of a full page":                "row order",
		"reads a row and its checkpoint one after the other":    "row checkpoint, switch race",
		"leaves out models without rows":                        "models",
		"lists models backwards":                                "models",
		"lists no shadows":                                      "models",
		"counts a shadow's rows with the live ones":             "models",
		"keeps a shadow's rows with the live ones":              "shadow",
		"puts a shadow's rows over the old ones":                "switch",
		"keeps the old checkpoint in a switch":                  "switch",
		"keeps the shadow in a switch":                          "switch",
		"switches although there is no shadow":                  "switch",
		"switches to a shadow that is behind":                   "switch",
		"switches in two steps":                                 "switch race",
		"forgets read models when it is closed":                 "read models reopened, read models closed",
		"forgets dead letters when it is closed":                "read models reopened",
		"forgets snapshots when it is closed":                   "read models reopened",
		"serves after it was closed":                            "read models closed",
		"loads a zero snapshot for none":                        "snapshots",
		"replaces a later snapshot":                             "snapshots",
		"keeps a snapshot of the same point":                    "snapshots",
		"keeps the state of the snapshot before":                "snapshots",
		"takes segments without having leases":                  "segments",
		"has one checkpoint for all segments":                   "segments",
		"says how far the fastest segment has come":             "segments",
		"keeps one segment in a switch":                         "segments",
		"takes the names of leases without regard to case":      "lease claim, lease list",
		"gives a lease to whoever asks":                         "lease claim, lease expiry, lease race",
		"raises the epoch whenever a lease is claimed":          "lease claim",
		"keeps the epoch when a lease changes hands":            "lease expiry, lease release, lease race, fence",
		"gives leases away early":                               "lease expiry, lease list",
		"looks at a lease before it claims":                     "lease race",
		"renews the leases of all holders":                      "lease renewal",
		"renews what was released":                              "lease renewal",
		"renews what has not run out alone":                     "lease renewal",
		"raises the epoch when a lease is renewed":              "lease renewal",
		"renews in words alone":                                 "lease renewal",
		"releases what others hold":                             "lease release",
		"refuses to release what is lost":                       "lease release",
		"keeps what is released until it runs out":              "lease release",
		"forgets what is released":                              "lease release, lease race",
		"lists leases backwards":                                "lease list",
		"takes a prefix for a pattern":                          "lease list",
		"lists leases that contain the prefix":                  "lease list",
		"lists what was released as if it ran":                  "lease list",
		"does not look at fences":                               "fence, fence race",
		"lets fn overlook that a lease is lost":                 "fence",
		"takes any epoch that is not before":                    "fence",
		"takes the holder for the epoch":                        "fence",
		"takes leases for held that nobody knows":               "fence",
		"takes what has run out for lost":                       "fence, fence under way",
		"looks at a fence and does not hold it":                 "fence under way, fence race",
		"keeps the letters of all consumers together":           "parked letters, unpark, retry, discard",
		"forgets how often a letter was tried":                  "parked letters",
		"gives the times of failures in local time":             "parked letters",
		"keeps the times of failures in seconds":                "parked letters",
		"keeps a letter that is parked again":                   "parked letters",
		"gives letters as they were parked":                     "parked letters",
		"begins a page of letters with the one before it":       "parked letters",
		"gives a letter too many":                               "parked letters",
		"gives the last letter of a key for its first":          "parked letters",
		"counts one letter for each key":                        "parked letters",
		"lists parked keys backwards":                           "parked letters, letter texts",
		"refuses causes that are no text":                       "letter texts",
		"parks outside the transaction":                         "parking rolled back",
		"unparks outside the transaction":                       "parking rolled back",
		"unparks all letters of a key":                          "unpark",
		"keeps keys that have no letters":                       "unpark, discard",
		"keeps a retry when its key is released":                "retry",
		"goes on with a retry after it was tried":               "retry",
		"takes one key's tries for those of all":                "retry",
		"forgets a retry when a letter is parked again":         "retry",
		"takes a retry of any key":                              "retry",
		"calls an unknown key's letter a conflict":              "discard",
		"discards any letter":                                   "discard",
		"takes a discard that is refused for one that was made": "discard, discard race",
		"looks for the first letter before it discards it":      "discard race",
		"publishes outside the transaction":                     "outbox rolled back, outbox under way",
		"publishes what fn failed at":                           "outbox rolled back",
		"publishes what fn panicked in":                         "outbox rolled back",
		"publishes nothing":                                     "outbox",
		"publishes the first call of a transaction alone":       "outbox race",
		"publishes messages backwards":                          "outbox, outbox race",
		"publishes twice":                                       "outbox, outbox race",
		"publishes some time after the commit":                  "outbox race",
		"publishes to nowhere":                                  "outbox refused",
		"drops what a full topic cannot take":                   "outbox refused",
		"fails when a topic refuses":                            "outbox refused",
		"has one inbox for all consumers":                       "inbox",
		"takes a repaired message for the one it was":           "inbox",
		"cuts the ids of received messages":                     "inbox",
		"takes a message that comes twice at once for two":      "inbox",
		"refuses a call in which some are known":                "inbox",
		"takes every message for the first":                     "inbox, inbox rolled back, inbox reopened, inbox race",
		"receives outside the transaction":                      "inbox rolled back",
		"forgets what was received when it is closed":           "inbox reopened",
		"keeps the generation in a switch":                      "generations",
		"takes the checkpoint for the generation":               "generations",
		"has a generation for each segment":                     "generations",
		"goes back to an earlier generation":                    "generations",
		"keeps a shadow's letters with the live ones":           "shadow letters, letters switched",
		"unparks live letters through the shadow":               "shadow letters",
		"takes a shadow's tries for the live model's":           "shadow letters",
		"keeps a shadow's letters when it is cleared":           "shadow letters",
		"keeps the letters of a live model that is cleared":     "letters cleared",
		"keeps a retry when its model is cleared":               "letters cleared",
		"drops the letters of all models with those of one":     "letters cleared",
		"takes a letter that is gone for one that was unparked": "unpark, shadow letters, letters cleared",
		"brings letters back that were discarded":               "replace, replace race, letters cleared",
		"does not write a letter that was tried again":          "replace",
		"keeps the old letters in a switch":                     "letters switched, letter switch race",
		"drops the shadow's letters in a switch":                "letters switched, letter switch race",
		"keeps a retry in a switch":                             "letters switched",
		"switches the letters of all models":                    "letters switched",
		"drops letters although it does not switch":             "letters switched",
		"switches the letters in a step of their own":           "letter switch race",
	}
}

func TestEveryBrokenReadModelIsCaught(t *testing.T) {
	t.Parallel()
	for fault, caughtBy := range brokenReadModels() {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			mustCatch(t, faulty(fault), strings.Split(caughtBy, ", ")...)
		})
	}
}

// mustCatch has checks find what is wrong with a store.
func mustCatch(t *testing.T, open LogOpener, names ...string) {
	t.Helper()
	settings := testSettings(t)
	for _, name := range names {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := readModelCheck(t, name).against(ctx, t, open, settings)
		cancel()
		if _, skipped := errors.AsType[skip](err); skipped || err == nil || ctx.Err() == context.DeadlineExceeded {
			t.Errorf("%s did not catch it: %v (seed %d)", name, err, settings.seed)
			continue
		}
		t.Logf("%s: %v", name, err)
	}
}

func readModelCheck(t *testing.T, name string) check {
	t.Helper()
	checks := readModelChecks()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return checks[i]
}

func TestEveryCheckCatchesABrokenReadModel(t *testing.T) {
	t.Parallel()
	catching := []string{"sql"} // TestBrokenStatementsAreCaught
	for _, caughtBy := range brokenReadModels() {
		catching = append(catching, strings.Split(caughtBy, ", ")...)
	}
	for _, check := range readModelChecks() {
		if !slices.Contains(catching, check.name) {
			t.Errorf("no broken store shows that the check %q can fail", check.name)
		}
	}
}

// TestReadModelReference is the control: without a fault every check passes.
func TestReadModelReference(t *testing.T) {
	t.Parallel()
	ReadModel(t, faulty(""), WithSizes(testSizes()))
}

func TestReadModelChecksThatCannotBeMadeSaySo(t *testing.T) {
	t.Parallel()
	bare := func(testing.TB) carillon.Opener {
		return openerFunc(func(ctx context.Context) (carillon.Store, error) {
			store, err := newReference("").Open(ctx)
			return struct{ carillon.Store }{store}, err
		})
	}
	for _, name := range []string{
		"sql", "read models reopened", "lease claim", "lease expiry", "lease renewal", "lease release", "lease list", "lease race",
		"fence", "fence under way", "fence race", "parked letters", "parking rolled back", "letter texts", "unpark", "retry", "discard", "discard race",
		"generations", "replace", "replace race", "letters cleared", "shadow letters", "letters switched", "letter switch race",
		"outbox", "outbox rolled back", "outbox under way", "outbox refused", "outbox race", "inbox reopened",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := readModelCheck(t, name).against(t.Context(), t, bare, testSettings(t, WithoutReopen()))
			if reason, skipped := errors.AsType[skip](err); !skipped || reason == "" {
				t.Errorf("got %v, want a reason to skip", err)
			}
		})
	}
}
