package conformance

import (
	"errors"
	"slices"

	"github.com/carillon-go/carillon"
)

// past is a log as it stood after an append, and never changes. It is the state of the model that concurrent histories are
// held against. The same appends in the same order are one past, so two of them are compared by their pointers.
type past struct {
	before   *past // nil at the beginning
	append   *carillon.Append
	appended carillon.Appended
	// command is the last past, this one included, whose append carries a command id; nil for none.
	command *past
	number  uint64
	chapter *chapter
	next    map[*carillon.Append]*past
}

// chapter numbers the pasts of one history.
type chapter struct{ pasts uint64 }

func newPast() *past { return &past{chapter: &chapter{}} }

func (p *past) head() carillon.Position { return p.appended.Last }

func (p *past) version(stream string) int64 {
	for ; p.before != nil; p = p.before {
		if p.append.Stream == stream {
			return p.appended.Version
		}
	}
	return 0
}

// carried returns the record of a command id, nil for none.
func (p *past) carried(id string) *carillon.CommandRecord {
	for p = p.command; p != nil; p = p.before.command {
		if p.append.Command.ID == id {
			return &carillon.CommandRecord{Guard: *p.append.Command, Appended: p.appended}
		}
	}
	return nil
}

// backwards calls visit with the events after a position, the last first, until it returns false.
func (p *past) backwards(after carillon.Position, visit func(position carillon.Position, version int64, in *past, event *carillon.Message) bool) {
	for ; p.before != nil && p.head() > after; p = p.before {
		for i := len(p.append.Events) - 1; i >= 0; i-- {
			position, version := p.appended.First+carillon.Position(i), int64(0)
			if p.append.Stream != "" {
				version = p.appended.Version - int64(len(p.append.Events)-1-i)
			}
			if position <= after || !visit(position, version, p, &p.append.Events[i]) {
				return
			}
		}
	}
}

// matchAfter reports whether an event after a position matches. With at, that event must be the one at this position.
func (p *past) matchAfter(query carillon.Query, after, at carillon.Position) bool {
	found := false
	p.backwards(after, func(position carillon.Position, _ int64, _ *past, event *carillon.Message) bool {
		found = (at == 0 || at == position) && query.Matches(event.Type, event.Tags)
		return !found && position > at
	})
	return found
}

// judge says what must become of an append that is next.
func (p *past) judge(a *carillon.Append) outcome {
	if a.Command != nil {
		if record := p.carried(a.Command.ID); record != nil {
			if record.Guard.Digest != a.Command.Digest {
				return reused
			}
			return duplicate
		}
	}
	if want, ok := a.Expect.Version(); ok && want != p.version(a.Stream) {
		return versionConflict
	}
	if a.Condition != nil && p.matchAfter(a.Condition.Query, a.Condition.After, 0) {
		return conditionConflict
	}
	return accepted
}

// with returns the past after one more append.
func (p *past) with(a *carillon.Append) *past {
	if next, known := p.next[a]; known {
		return next
	}
	count := carillon.Position(len(a.Events))
	p.chapter.pasts++
	next := &past{
		before: p, append: a, command: p.command, chapter: p.chapter, number: p.chapter.pasts,
		appended: carillon.Appended{First: p.head() + 1, Last: p.head() + count},
	}
	if a.Stream != "" {
		next.appended.Version = p.version(a.Stream) + int64(count)
	}
	if a.Command != nil {
		next.command = next
	}
	if p.next == nil {
		p.next = make(map[*carillon.Append]*past)
	}
	p.next[a] = next
	return next
}

// when gives the past if what was said of it holds, and nil otherwise.
func (p *past) when(holds bool) *past {
	if holds {
		return p
	}
	return nil
}

// settle returns the past after an append that was answered so, nil when the answer is not the one for this past.
func (p *past) settle(a *carillon.Append, verdict carillon.Verdict) *past {
	kind, err := outcomeOf(verdict)
	if err != nil {
		return nil
	}
	// Cheap, and most pasts fail it.
	if kind == accepted && verdict.Appended.First != p.head()+1 {
		return nil
	}
	if kind != p.judge(a) {
		return nil
	}
	conflict, _ := errors.AsType[*carillon.ConflictError](verdict.Err)
	holds := true
	switch kind {
	case accepted:
		next := p.with(a)
		if next.appended != verdict.Appended {
			return nil
		}
		return next
	case duplicate:
		want := p.carried(a.Command.ID).Appended
		want.Duplicate = true
		holds = verdict.Appended == want
	case versionConflict:
		holds = conflict.Stream == a.Stream && conflict.Actual == p.version(a.Stream)
	case reused: // says nothing more
	case conditionConflict:
		at := conflict.Position
		holds = at > a.Condition.After && at <= p.head() && p.matchAfter(a.Condition.Query, a.Condition.After, at)
	}
	return p.when(holds)
}

// shows reports whether a page is one that a read of this past may return.
func (p *past) shows(query carillon.Query, after carillon.Position, page *carillon.Page) bool {
	if page.Through > max(after, p.head()) || !page.More && page.Through != max(after, p.head()) {
		return false
	}
	left, same := len(page.Events), true
	p.backwards(after, func(position carillon.Position, version int64, in *past, event *carillon.Message) bool {
		if position > page.Through || !query.Matches(event.Type, event.Tags) {
			return true
		}
		left--
		same = left >= 0 && in.holds(&page.Events[left], position, version, event)
		return same
	})
	return same && left == 0
}

// showsStream reports whether events are what a read of a stream of this past returns.
func (p *past) showsStream(stream string, after int64, limit int, events []carillon.Recorded) bool {
	if int64(len(events)) != min(int64(limit), max(0, p.version(stream)-after)) {
		return false
	}
	left, same := len(events), true
	p.backwards(0, func(position carillon.Position, version int64, in *past, event *carillon.Message) bool {
		if in.append.Stream != stream || version > after+int64(len(events)) {
			return true
		}
		if version <= after {
			return false
		}
		left--
		same = left >= 0 && in.holds(&events[left], position, version, event)
		return same
	})
	return same && left == 0
}

// holds reports whether an event read is the one appended. What else a message carries is compared by other checks.
func (p *past) holds(got *carillon.Recorded, position carillon.Position, version int64, want *carillon.Message) bool {
	return got.Position == position && got.Version == version && got.Stream == p.append.Stream &&
		got.ID == want.ID && got.Type == want.Type && slices.Equal(got.Tags, want.Tags)
}
