package sourcing_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/sourcing"
)

// counter is an aggregate written as an object.
type counter struct {
	sourcing.Recorder
	Count int
	Log   []int
}

type (
	count    struct{ Times int }
	advanced struct{ To int }
)

func (c *counter) Advanced(e advanced) {
	c.Count = e.To
	c.Log = append(c.Log, e.To)
}

// Advance records one event for each time, and each sees what the one before did.
func (c *counter) Advance(command count) error {
	for range command.Times {
		c.Record(advanced{To: c.Count + 1})
		if c.Count > 10 {
			return carillon.Rejectf("it counts to 10")
		}
	}
	return nil
}

func counters(parts ...sourcing.Part[counter]) *sourcing.Decider[counter] {
	return sourcing.Aggregate("counter", append([]sourcing.Part[counter]{
		sourcing.Apply("counter.advanced", (*counter).Advanced),
		sourcing.Method("counter.count", func(count) string { return "1" }, (*counter).Advance),
	}, parts...)...)
}

func TestObject(t *testing.T) {
	t.Parallel()
	p := newPort()
	bound := bind(t, counters(), p)
	if got, want := do(t, bound, count{3}), (carillon.Appended{First: 1, Last: 3, Version: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := do(t, bound, count{0}); got != (carillon.Appended{}) {
		t.Errorf("a method that records nothing: %+v", got)
	}
	for range 2 { // what a rejected method recorded is forgotten
		if _, err := bound.Handle(t.Context(), command(count{8})); !errors.Is(err, carillon.ErrRejected) {
			t.Errorf("error %v, want a rejection", err)
		}
	}
	do(t, bound, count{2})
	kept, version, err := bound.Load(t.Context(), "1")
	if err != nil || version != 5 {
		t.Fatalf("version %d, error %v", version, err)
	}
	want := counter{Count: 5, Log: []int{1, 2, 3, 4, 5}}
	for name, got := range map[string]counter{"kept": kept, "replayed": load(t, bind(t, counters(), p), "1")} {
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(counter{}, "Recorder")); diff != "" {
			t.Errorf("%s state (-want +got):\n%s", name, diff)
		}
	}
}

func load[S any](t testing.TB, bound *sourcing.Bound[S], key string) S {
	t.Helper()
	state, _, err := bound.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestObjectSnapshots(t *testing.T) {
	t.Parallel()
	p, snapshots := newPort(), memory.Volatile().Snapshots()
	decider := counters(sourcing.SnapshotEvery[counter](2))
	do(t, bind(t, decider, p, saving(snapshots)), count{3})
	p.replayed.Store(0)
	state := load(t, bind(t, decider, p, saving(snapshots)), "1")
	if state.Count != 3 || p.replayed.Load() != 0 {
		t.Errorf("count %d after a replay of %d events, want 3 after none", state.Count, p.replayed.Load())
	}
}

// TestObjectWithValueFolds: folds may make a new value instead of changing the object. What a method recorded before is not lost.
func TestObjectWithValueFolds(t *testing.T) {
	t.Parallel()
	fresh := sourcing.Aggregate("counter",
		sourcing.On("counter.advanced", func(c counter, e advanced) counter { return counter{Count: e.To} }),
		sourcing.Method("counter.count", func(count) string { return "1" }, (*counter).Advance))
	if got := do(t, bind(t, fresh, newPort()), count{3}); got.Last != 3 {
		t.Errorf("%+v, want three events", got)
	}
}

// TestObjectDecides decides twice on one state: a method must not change the state it is given.
func TestObjectDecides(t *testing.T) {
	t.Parallel()
	decider := counters()
	state := decider.Evolve(decider.Start(), advanced{1})
	for range 2 {
		events, err := decider.Decide(state, sourcing.Moment{}, count{2})
		if diff := cmp.Diff([]carillon.Event{advanced{2}, advanced{3}}, events); diff != "" || err != nil {
			t.Errorf("error %v, events (-want +got):\n%s", err, diff)
		}
		if state.Count != 1 || len(state.Log) != 1 {
			t.Errorf("the state has become %+v", state)
		}
	}
}

// TestRecordAlone records on an object outside any decider.
func TestRecordAlone(t *testing.T) {
	t.Parallel()
	var c counter
	if err := c.Advance(count{2}); err != nil || c.Count != 0 {
		t.Errorf("count %d, error %v: nothing applies the events here", c.Count, err)
	}
}
