package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
)

// effects are what the reactor did.
type effects struct {
	expected []carillon.Recorded // events it handles, in order
	done     map[carillon.Position]bool
	last     map[string]carillon.Position // by key: the last event that had its effect for the first time
	ends     map[tenure]time.Time         // when a process was told that it had lost a segment
}

// tenure is a process's time with a segment.
type tenure struct {
	session *session
	segment int
}

func newEffects() *effects {
	return &effects{done: make(map[carillon.Position]bool), last: make(map[string]carillon.Position), ends: make(map[tenure]time.Time)}
}

func (e *effects) expect(event carillon.Recorded) {
	if event.Type == "account.moved" && event.Position > noticesAfter {
		e.expected = append(e.expected, event)
	}
}

// affected looks at an effect whose handler was called at a time.
func (a *audit) affected(s *session, at carillon.Recorded, called time.Time) {
	e := a.effects
	segment := segmentOf(at.Key, noticesSegments)
	held := a.grants[leaseName(notices, segment)]
	if at.Position <= noticesAfter {
		a.violate("a reactor begins where it says", "position %d is not behind %d", at.Position, noticesAfter)
	}
	if end, met := e.ends[tenure{s, segment}]; met && (held == nil || held.session != s) && called.After(end) {
		a.violate("a process that has met the fence stops", "%s handled position %d, %v after the fence", s.name, at.Position, called.Sub(end))
	}
	if e.done[at.Position] {
		return
	}
	if e.last[at.Key] > at.Position {
		a.violate("effects of one key take place in order", "position %d of %s after %d", at.Position, at.Key, e.last[at.Key])
	}
	e.done[at.Position], e.last[at.Key] = true, at.Position
}

// before lists effects of a segment that should have taken place up to a position, have not, and are not parked.
func (e *effects) before(parked *letters, segment int, at carillon.Position) (problems []string) {
	for _, event := range e.expected {
		if event.Position <= at && !e.done[event.Position] && segmentOf(event.Key, noticesSegments) == segment &&
			!parked.holds(parkedKey{notices, laneKey(event.Key, segment, noticesSegments)}, event.Position) {
			problems = append(problems, fmt.Sprintf("position %d has had no effect", event.Position))
		}
	}
	return problems
}

func (e *effects) missing() []string {
	none := newLetters()
	return slices.Concat(e.before(none, 0, 1<<40), e.before(none, 1, 1<<40))
}
