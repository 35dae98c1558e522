package sourcing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/sourcing"
)

// filled is a log and snapshots with account 1 opened and credited so many times, by a decider with these parts.
func filled(t testing.TB, credits int, parts ...sourcing.Part[account]) (*port, carillon.Snapshots) {
	t.Helper()
	p, snapshots := newPort(), memory.Volatile().Snapshots()
	bound := bind(t, accounts(parts...), p, saving(snapshots))
	do(t, bound, openAccount{"1", "Ann"})
	for i := range credits {
		do(t, bound, credit{"1", int64(i + 1)})
	}
	p.replayed.Store(0)
	return p, snapshots
}

func TestSnapshotAndTailAreAReplay(t *testing.T) {
	t.Parallel()
	for credits := range 25 {
		p, snapshots := filled(t, credits, sourcing.SnapshotEvery[account](7))
		full, version, err := bind(t, accounts(), p).Load(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		p.replayed.Store(0)
		state, at, err := bind(t, accounts(sourcing.SnapshotEvery[account](7)), p, saving(snapshots)).Load(t.Context(), "1")
		if diff := cmp.Diff(full, state); diff != "" || at != version || err != nil {
			t.Errorf("after %d credits: version %d, want %d, error %v (-replay +snapshot):\n%s", credits, at, version, err, diff)
		}
		if replayed, want := p.replayed.Load(), int64((credits+1)%7); replayed != want {
			t.Errorf("after %d credits it replayed %d events, want %d", credits, replayed, want)
		}
	}
}

// TestASnapshotThatCannotBeUsed is no error: the log is replayed. The first case is the control, a false snapshot that can.
func TestASnapshotThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	every := sourcing.SnapshotEvery[account](10)
	tests := []struct {
		name   string
		change func(*carillon.Snapshot)
		parts  []sourcing.Part[account]
		used   bool
	}{
		{"it can", nil, nil, true},
		{"another fingerprint", func(s *carillon.Snapshot) { s.Fingerprint = "other" }, nil, false},
		{"no fingerprint", func(s *carillon.Snapshot) { s.Fingerprint = "" }, nil, false},
		{"a state that is no JSON", func(s *carillon.Snapshot) { s.State = []byte(`{"Owner":`) }, nil, false},
		{"a state of another type", func(s *carillon.Snapshot) { s.State = []byte(`{"Pence":"a lot"}`) }, nil, false},
		{"no state", func(s *carillon.Snapshot) { s.State = nil }, nil, false},
		{"a fold version since", nil, []sourcing.Part[account]{sourcing.FoldVersion[account](2)}, false},
		{"a fold more since", nil, []sourcing.Part[account]{sourcing.On("account.renamed", func(a account, e renamed) account {
			a.Owner = e.Owner
			return a
		})}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, snapshots := filled(t, 14, every)
			saved, err := snapshots.LoadSnapshot(t.Context(), "account-1")
			if err != nil || saved.At != 10 {
				t.Fatalf("snapshot at %d, error %v, want one at 10", saved.At, err)
			}
			saved.State = []byte(`{"Open":true,"Owner":"nobody"}`)
			if test.change != nil {
				test.change(&saved)
			}
			if err := snapshots.SaveSnapshot(t.Context(), saved); err != nil {
				t.Fatal(err)
			}
			bound := bind(t, accounts(append(test.parts, every)...), p, saving(snapshots))
			state, version, err := bound.Load(t.Context(), "1")
			if err != nil || version != 15 {
				t.Fatalf("version %d, error %v", version, err)
			}
			if used := state.Owner == "nobody"; used != test.used {
				t.Errorf("state %+v: the snapshot was used is %v, want %v", state, used, test.used)
			}
			if !test.used && state.Pence != 14*15/2 {
				t.Errorf("%d pence after the replay, want %d", state.Pence, 14*15/2)
			}
		})
	}
}

type renamed struct{ Owner string }

// failing is a snapshot cache out of order.
type failing struct{ saves int }

func (f *failing) LoadSnapshot(context.Context, string) (carillon.Snapshot, error) {
	return carillon.Snapshot{}, errors.New("cache is broken")
}

func (f *failing) SaveSnapshot(context.Context, carillon.Snapshot) error {
	f.saves++
	return errors.New("cache is broken")
}

func TestABrokenCacheStopsNobody(t *testing.T) {
	t.Parallel()
	p, cache := newPort(), &failing{}
	decider := accounts(sourcing.SnapshotEvery[account](2))
	bound := bind(t, decider, p, saving(cache))
	do(t, bound, openAccount{"1", "Ann"})
	for range 5 {
		do(t, bound, credit{"1", 1})
	}
	if cache.saves != 3 {
		t.Errorf("%d snapshots were tried, want 3", cache.saves)
	}
	if state, version, err := bind(t, decider, p, saving(cache)).Load(t.Context(), "1"); state.Pence != 5 || version != 6 || err != nil {
		t.Errorf("state %+v at version %d, error %v", state, version, err)
	}
}

func TestSnapshotsNeedAStoreForThem(t *testing.T) {
	t.Parallel()
	_, err := sourcing.Bind(accounts(sourcing.SnapshotEvery[account](1)), sourcing.Runtime{Log: eventlog.New(newPort())})
	if !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// TestASnapshotWouldLoseAField is refused before it can: a state that comes back without it decides otherwise.
func TestASnapshotWouldLoseAField(t *testing.T) {
	t.Parallel()
	type purse struct{ pence int64 }
	type state struct{ Purses map[string]purse }
	decider := func(parts ...sourcing.Part[state]) *sourcing.Decider[state] {
		return sourcing.Aggregate("purses", append(parts, sourcing.On("account.credited", func(s state, e credited) state {
			s.Purses = map[string]purse{"1": {s.Purses["1"].pence + e.Pence}}
			return s
		}))...)
	}
	runtime := sourcing.Runtime{Log: eventlog.New(newPort()), Snapshots: memory.Volatile().Snapshots()}
	_, err := sourcing.Bind(decider(sourcing.SnapshotEvery[state](2)), runtime)
	if want := "field pence of its state's type sourcing_test.purse: export the field"; !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one that says %q", err, want)
	}
	if _, err := sourcing.Bind(decider(), runtime); err != nil {
		t.Errorf("without snapshots: %v", err)
	}
}

// TestSnapshotsOfABoundary stands beside events that are none of its business, which move the position it is as of.
func TestSnapshotsOfABoundary(t *testing.T) {
	t.Parallel()
	p, snapshots := newPort(), memory.Volatile().Snapshots()
	decider := enrolments(sourcing.SnapshotEvery[enrolment](4))
	bound := bind(t, decider, p, saving(snapshots))
	do(t, bound, defineCourse{"go", 100})
	for i := range 10 {
		behind(t, p.Log, "elsewhere-1", "elsewhere.noted", `{}`)
		do(t, bound, enrol{"go", fmt.Sprint("s", i)})
	}
	if snapshot, err := snapshots.LoadSnapshot(t.Context(), "enrolment?course:go\x00student:s9"); err != nil || snapshot.At != 21 {
		t.Errorf("snapshot at %d, error %v, want one at 21", snapshot.At, err)
	}
	replayed, as, err := bind(t, enrolments(), p).LoadAcross(t.Context(), "course:go", "student:s9")
	if err != nil {
		t.Fatal(err)
	}
	restored, asToo, err := bind(t, decider, p, saving(snapshots)).LoadAcross(t.Context(), "student:s9", "course:go")
	if diff := cmp.Diff(replayed, restored); diff != "" || as != asToo || err != nil {
		t.Errorf("as of %d and %d, error %v (-replay +snapshot):\n%s", as, asToo, err, diff)
	}
}

// tallied counts what is saved.
type tallied struct {
	carillon.Snapshots
	saves int
}

func (c *tallied) SaveSnapshot(ctx context.Context, snapshot carillon.Snapshot) error {
	c.saves++
	return c.Snapshots.SaveSnapshot(ctx, snapshot)
}

// TestABoundaryCountsItsOwnEvents for its snapshots, however much happens elsewhere.
func TestABoundaryCountsItsOwnEvents(t *testing.T) {
	t.Parallel()
	type mark struct{}
	p, snapshots := newPort(), &tallied{Snapshots: memory.Volatile().Snapshots()}
	decider := sourcing.Boundary("marks", sourcing.SnapshotEvery[int](4),
		sourcing.On("course.defined", func(n int, _ courseDefined) int { return n + 1 }),
		sourcing.Decide("mark", func(mark) []carillon.Tag { return []carillon.Tag{"course:go"} }, func(n int, _ mark) ([]carillon.Event, error) {
			return carillon.Events(courseDefined{"go", n}), nil
		}))
	for round := range 2 { // the second begins with a snapshot
		bound := bind(t, decider, p, saving(snapshots))
		for range 6 {
			for range 5 {
				behind(t, p.Log, "elsewhere-1", "elsewhere.noted", `{}`)
			}
			do(t, bound, mark{})
		}
		if want := []int{1, 3}[round]; snapshots.saves != want {
			t.Errorf("%d snapshots after %d events", snapshots.saves, 6*(round+1))
		}
	}
}
