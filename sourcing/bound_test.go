package sourcing_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/sourcing"
)

// world is a log and a decider over it that keeps states in one way or another.
type world struct {
	name      string
	port      *port
	decider   *sourcing.Decider[account]
	snapshots carillon.Snapshots
	states    int
	bound     *sourcing.Bound[account]
}

func (w *world) restart(t testing.TB) {
	w.bound = bind(t, w.decider, w.port, hot(w.states), saving(w.snapshots))
}

// worlds are one for each way. The first keeps nothing: it loads the whole stream for every command, and is what the others are
// compared with.
func worlds(t testing.TB) []*world {
	all := []*world{
		{name: "no states", decider: accounts(), states: -1},
		{name: "hot states", decider: accounts()},
		{name: "one hot state", decider: accounts(), states: 1},
		{name: "snapshots", decider: accounts(sourcing.SnapshotEvery[account](3)), states: -1},
		{name: "hot states and snapshots", decider: accounts(sourcing.SnapshotEvery[account](2)), states: 2},
	}
	for _, w := range all {
		w.port, w.snapshots = newPort(), memory.Volatile().Snapshots()
		w.restart(t)
	}
	return all
}

// step is a thing that happens: a command, an append by somebody else, or a restart.
type step struct {
	command any
	changes []func(*carillon.Message)
	stream  string // of an append by somebody else
	restart bool
}

func (s step) String() string {
	message := command(s.command, s.changes...)
	return fmt.Sprintf("%T%+v %s %v %s %v", s.command, s.command, message.ID, message.Headers, s.stream, s.restart)
}

func steps() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		key, pence := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "key")), rapid.Int64Range(0, 20).Draw(t, "pence")
		s := step{}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return step{restart: true}
		case 1:
			return step{stream: "account-" + key}
		case 2, 3:
			s.command = openAccount{key, "Ann"}
		case 4, 5, 6:
			s.command = credit{key, pence}
		default:
			s.command = debit{key, pence}
		}
		if id := rapid.IntRange(0, 12).Draw(t, "id"); id < 4 {
			s.changes = append(s.changes, once(fmt.Sprint("request-", id)))
		}
		if version := rapid.Int64Range(0, 20).Draw(t, "version"); version < 6 {
			s.changes = append(s.changes, ifVersion(version))
		}
		return s
	})
}

// disagreement goes through steps with all worlds and says where one of them differs from the first, in what it says or in the
// state it ends in.
func disagreement(t testing.TB, all []*world, steps []step) string {
	for _, s := range steps {
		var want string
		for i, w := range all {
			var got string
			switch {
			case s.restart:
				w.restart(t)
			case s.stream != "":
				behind(t, w.port.Log, s.stream, "account.credited", `{"Pence":3}`)
			default:
				got = said(w.bound.Handle(t.Context(), command(s.command, s.changes...)))
			}
			if i == 0 {
				want = got
			}
			if got != want {
				return fmt.Sprintf("%s: with %s it says %s, with %s %s", s, w.name, got, all[0].name, want)
			}
		}
	}
	for _, key := range []string{"1", "2", "3"} {
		want := load(t, all[0].bound, key)
		for _, w := range all[1:] {
			if diff := cmp.Diff(want, load(t, w.bound, key)); diff != "" {
				return fmt.Sprintf("account %s with %s (-%s +got):\n%s", key, w.name, all[0].name, diff)
			}
		}
	}
	return ""
}

// TestKeptStatesChangeNothing sends the same random commands to deciders that keep states and to one that keeps none: all say
// the same, and end in the same state.
func TestKeptStatesChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		if difference := disagreement(t, worlds(t), rapid.SliceOfN(steps(), 1, 40).Draw(r, "steps")); difference != "" {
			r.Fatal(difference)
		}
	})
}

// drifting is a snapshot cache whose snapshots say that they stand one event further back than they do.
type drifting struct{ carillon.Snapshots }

func (d drifting) LoadSnapshot(ctx context.Context, key string) (carillon.Snapshot, error) {
	snapshot, err := d.Snapshots.LoadSnapshot(ctx, key)
	snapshot.At--
	return snapshot, err
}

// TestADriftingSnapshotIsNoticed is the control.
func TestADriftingSnapshotIsNoticed(t *testing.T) {
	t.Parallel()
	all := worlds(t)
	for _, w := range all {
		w.snapshots = drifting{w.snapshots}
		w.restart(t)
	}
	sound := []step{{command: openAccount{"1", "Ann"}}, {command: credit{"1", 1}}}
	if difference := disagreement(t, all, sound); difference != "" {
		t.Errorf("before any snapshot is read: %s", difference)
	}
	if disagreement(t, all, []step{{restart: true}, {command: credit{"1", 4}}}) == "" {
		t.Error("nobody noticed")
	}
}
