package sourcing

import (
	"fmt"
	"testing"
)

func TestStatesKeepTheLastUsed(t *testing.T) {
	t.Parallel()
	s := newStates[int](3)
	for i := range 3 {
		s.put(cached[int]{key: fmt.Sprint(i), state: i})
	}
	s.get("0")                              // used again
	s.put(cached[int]{key: "1", state: 10}) // and so is this
	s.put(cached[int]{key: "3", state: 3})
	for key, want := range map[string]int{"0": 0, "1": 10, "3": 3} {
		if got, ok := s.get(key); !ok || got.state != want {
			t.Errorf("state of %s: %d, %v, want %d", key, got.state, ok, want)
		}
	}
	if _, ok := s.get("2"); ok {
		t.Error("the one used least recently is kept")
	}
	for i := range 1000 {
		s.put(cached[int]{key: fmt.Sprint(i)})
	}
	if len(s.byKey) != 3 || s.recent.Len() != 3 {
		t.Errorf("%d and %d states are kept, want 3", len(s.byKey), s.recent.Len())
	}
}

func TestStatesMayKeepNone(t *testing.T) {
	t.Parallel()
	s := newStates[int](-1)
	s.put(cached[int]{key: "1"})
	if _, ok := s.get("1"); ok {
		t.Error("it is kept")
	}
}
