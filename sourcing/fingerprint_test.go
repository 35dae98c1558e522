package sourcing_test

import (
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

type (
	tally struct {
		Count int
		Names []string
	}
	tallyWithField struct {
		Count int
		Names []string
		Last  string
	}
	tallyRenamed struct {
		Total int
		Names []string
	}

	counted struct {
		By   int
		Name string
	}
	countedWithField struct {
		By   int
		Name string
		Note string
	}
	countedOtherwise struct {
		By   int64
		Name string
	}
	countedTagged struct {
		By   int `json:"by"`
		Name string
	}
)

func one[S, E any](apply func(S, E) S, more ...sourcing.Part[S]) string {
	return sourcing.Aggregate("tally", append([]sourcing.Part[S]{sourcing.On("counted", apply)}, more...)...).Fingerprint()
}

// TestFingerprint compares definitions with the first one.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	count := func(s tally, e counted) tally {
		s.Count += e.By
		return s
	}
	base := one(count)
	tests := []struct {
		name        string
		fingerprint string
		same        bool
	}{
		{"the same again", one(count), true},
		{"the same behaviour, written otherwise", one(func(s tally, e counted) tally {
			return tally{Count: e.By + s.Count, Names: s.Names}
		}), true},
		{"another fold", one(func(s tally, e counted) tally { s.Count -= e.By; return s }), false},
		{"a fold that reads one more field", one(func(s tally, e counted) tally {
			s.Count += e.By
			s.Names = append(s.Names, e.Name)
			return s
		}), false},
		{"a fold that differs on some events", one(func(s tally, e counted) tally {
			if e.By > 5 {
				s.Count += e.By
			}
			return s
		}), false},
		{"a fold that panics", one(func(s tally, e counted) tally {
			if e.By > 5 {
				panic("too many")
			}
			s.Count += e.By
			return s
		}), false},
		{"another initial state", one(count, sourcing.Initial(tally{Count: 1})), false},
		{"a field more in the state", one(func(s tallyWithField, e counted) tallyWithField { s.Count += e.By; return s }), false},
		{"a field of the state renamed", one(func(s tallyRenamed, e counted) tallyRenamed { s.Total += e.By; return s }), false},
		{"a field more in the event", one(func(s tally, e countedWithField) tally { s.Count += e.By; return s }), false},
		{"another type in the event", one(func(s tally, e countedOtherwise) tally { s.Count += int(e.By); return s }), false},
		{"another name in the event's JSON", one(func(s tally, e countedTagged) tally { s.Count += e.By; return s }), false},
		{"an event type more", one(count, sourcing.On("noted", func(s tally, _ string) tally { return s })), false},
		{"an event type that is ignored", one(count, sourcing.Ignore[tally]("noted")), true},
		{"a fold version", one(count, sourcing.FoldVersion[tally](1)), false},
		{"a snapshot every other time", one(count, sourcing.SnapshotEvery[tally](9)), true},
		{"a decision more", one(count, sourcing.Decide("count", func(string) string { return "1" },
			func(tally, string) ([]carillon.Event, error) { return nil, nil })), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if same := test.fingerprint == base; same != test.same {
				t.Errorf("the same fingerprint is %v, want %v", same, test.same)
			}
		})
	}
}

// TestFingerprintDoesNotDependOnOrder builds one definition again and again: maps have another order each time.
func TestFingerprintDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f"}
	build := func(names []string) string {
		type state struct{ Seen map[string]int }
		parts := make([]sourcing.Part[state], 0, len(names))
		parts = append(parts, sourcing.On(names[0], func(s state, e struct{ A int }) state { s.Seen = with(s.Seen, "a", e.A); return s }))
		for _, name := range names[1:] {
			parts = append(parts, sourcing.Ignore[state](name))
		}
		parts = append(parts, sourcing.On("z", func(s state, e struct{ Z int }) state { s.Seen = with(s.Seen, "z", e.Z); return s }))
		return sourcing.Aggregate("order", parts...).Fingerprint()
	}
	first := build(names)
	for range 20 {
		if again := build(names); again != first {
			t.Fatalf("fingerprints %s and %s of one definition", first, again)
		}
	}
}

// TestFingerprintOfAnyType goes through every kind of type a state or an event may hold, those that hold themselves among them.
func TestFingerprintOfAnyType(t *testing.T) {
	t.Parallel()
	type tree struct {
		Name     string
		Children []tree
		Parent   *tree
		ByName   map[string]*tree
	}
	type anything struct {
		Bool     bool
		Int      int8
		Uint     uint16
		Float    float32
		Complex  complex128
		String   string
		Bytes    []byte
		Array    [3]int
		Map      map[int]map[string]bool
		Pointer  **int
		Any      any
		Func     func()
		Chan     chan int
		Time     time.Time
		Duration time.Duration
		Tree     tree
		hidden   int
	}
	build := func() string {
		return one(func(s anything, e anything) anything {
			s.Tree, s.Time, s.hidden = e.Tree, e.Time, e.hidden
			return s
		})
	}
	if a, b := build(), build(); a != b || len(a) != 32 {
		t.Errorf("fingerprints %s and %s", a, b)
	}
}
