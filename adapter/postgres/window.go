package postgres

import (
	"sync"

	"github.com/carillon-go/carillon"
)

// maxWindow is how many streams and tags a window knows: with more it begins anew.
const maxWindow = 1 << 15

// window is the last stretch of the log that this process appended alone: the versions its streams have, and where tags and types are. As
// long as the log has its head nobody needs to look for them.
type window struct {
	mu          sync.Mutex
	after, head carillon.Position // it has the events behind the one up to the other; none while head is 0
	versions    map[string]int64
	lasts       lasts
}

// lasts are the last positions that have a tag or a type.
type lasts struct {
	tags  map[carillon.Tag]carillon.Position
	types map[string]carillon.Position
}

// note takes note of an event.
func (l *lasts) note(event *carillon.Message, at carillon.Position) {
	if l.types == nil {
		l.tags, l.types = make(map[carillon.Tag]carillon.Position), make(map[string]carillon.Position)
	}
	l.types[event.Type] = at
	for _, tag := range event.Tags {
		l.tags[tag] = at
	}
}

// lacks reports that surely no event behind a position is what an item of a query asks for.
func (l *lasts) lacks(item carillon.Item, after carillon.Position) bool {
	for _, tag := range item.Tags {
		if l.tags[tag] <= after {
			return true
		}
	}
	for _, typ := range item.Types {
		if l.types[typ] > after {
			return false
		}
	}
	return len(item.Types) > 0
}

// lacksAll is [lasts.lacks] for all items.
func (l *lasts) lacksAll(items []carillon.Item, after carillon.Position) bool {
	for _, item := range items {
		if !l.lacks(item, after) {
			return false
		}
	}
	return true
}

// check returns the head that the log must have for what is known to hold; -1 when nothing of it is of use. The streams whose versions are
// not known are left in the layout, to be looked up. ok is false when the append function has to decide.
func (w *window) check(l *layout) (head carillon.Position, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, condition := range l.conditions {
		if !w.allows(condition) {
			return 0, false
		}
	}
	left := 0
	for i, stream := range l.streams {
		version, known := w.versions[stream]
		switch {
		case !known:
			l.streams[left], l.expected[left] = stream, l.expected[i]
			left++
		case version != l.expected[i]:
			return 0, false
		}
	}
	if left == len(l.streams) && len(l.conditions) == 0 {
		return -1, true
	}
	l.streams, l.expected = l.streams[:left], l.expected[:left]
	return w.head, true
}

// allows reports that a condition surely holds while the log has the window's head.
func (w *window) allows(condition *carillon.Condition) bool {
	switch {
	case w.head == 0 || condition.After < w.after:
		return false
	case len(condition.Query.Items) == 0:
		return condition.After >= w.head
	default:
		return w.lasts.lacksAll(condition.Query.Items, condition.After)
	}
}

// learn takes note of what a batch came to.
func (w *window) learn(appends []carillon.Append, verdicts []carillon.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range verdicts {
		done := &verdicts[i].Appended
		if verdicts[i].Err != nil || done.Duplicate || done.Last <= w.head {
			continue
		}
		if done.First != w.head+1 || len(w.versions)+len(w.lasts.tags) >= maxWindow || w.versions == nil { // or somebody else has appended
			w.after, w.versions, w.lasts = done.First-1, make(map[string]int64), lasts{}
		}
		w.head = done.Last
		if appends[i].Stream != "" {
			w.versions[appends[i].Stream] = done.Version
		}
		for j := range appends[i].Events {
			w.lasts.note(&appends[i].Events[j], done.First+carillon.Position(j))
		}
	}
}
