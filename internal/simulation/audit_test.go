package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
)

// violation is a promise that was not kept.
type violation struct {
	promise, detail string
}

func (v *violation) String() string { return v.promise + ": " + v.detail }

// audit watches what becomes of the log, the read models, the leases and the effects, and what clients are told, and compares it with
// what a single process without faults would have come to. It is used under the world's lock.
type audit struct {
	world *world
	found *violation // the first

	seen     int // events of the log that were looked at
	versions map[string]int64
	commands map[string]carillon.Appended
	accounts []map[string]account // by position: before the first event, after it, …
	places   []places
	denials  map[string]bool // ids of events that are not in the log, as clients were told
	answers  map[string]carillon.Appended
	rejects  map[string]bool

	folds   []*fold
	grants  map[string]*grant
	effects *effects
}

func newAudit(w *world) *audit {
	return &audit{
		world: w, versions: make(map[string]int64), commands: make(map[string]carillon.Appended), denials: make(map[string]bool),
		answers: make(map[string]carillon.Appended), rejects: make(map[string]bool), grants: make(map[string]*grant),
		accounts: []map[string]account{{}}, places: []places{{}}, effects: newEffects(),
		folds: []*fold{newFold(balances, balancesSegments, balancesModel(false)), newFold(rolls, rollsSegments, rollsModel())},
	}
}

// violate notes a violation and ends the run.
func (a *audit) violate(promise, format string, args ...any) {
	if a.found != nil || a.world.halted {
		return
	}
	a.found = &violation{promise, a.world.unnamed(fmt.Sprintf(format, args...))}
	a.world.note("VIOLATION %s", a.found)
	a.world.stopLocked()
}

// appended looks at what has been added to the log.
func (a *audit) appended() {
	log := a.world.database.events
	for ; a.seen < len(log); a.seen++ {
		event := log[a.seen]
		if event.Position != carillon.Position(a.seen+1) {
			a.violate("positions have no gaps", "position %d follows on %d", event.Position, a.seen)
		}
		if event.Stream != "" {
			a.versions[event.Stream]++
			if event.Version != a.versions[event.Stream] {
				a.violate("versions have no gaps", "%s has version %d after %d", event.Stream, event.Version, a.versions[event.Stream]-1)
			}
		}
		if a.denials[event.ID] {
			a.violate("what was resolved as absent stays absent", "position %d, of %s", event.Position, event.CausationID)
		}
		a.attribute(event)
		a.judge(event)
		for _, f := range a.folds {
			if err := f.add(event); err != nil {
				a.violate("events can be folded", "position %d: %v", event.Position, err)
			}
		}
		a.effects.expect(event)
	}
}

// attribute notes which command an event belongs to.
func (a *audit) attribute(event carillon.Recorded) {
	at, known := a.commands[event.CausationID]
	switch {
	case a.rejects[event.CausationID]:
		a.violate("a rejected command does nothing", "%s, at position %d", event.CausationID, event.Position)
	case !known:
		at = carillon.Appended{First: event.Position}
	case at.Last != event.Position-1 || a.world.database.events[at.Last-1].ID == "" || !sameAppend(a.world.database.events[at.First-1:event.Position]):
		a.violate("a command is carried out once", "%s, at positions %d and %d", event.CausationID, at.First, event.Position)
	}
	at.Last, at.Version = event.Position, event.Version
	a.commands[event.CausationID] = at
}

// sameAppend reports whether events are what one decision comes to: what was moved, and then what was noted of it.
func sameAppend(events []carillon.Recorded) bool {
	return len(events) == 2 && events[0].Type == "account.moved" && events[1].Type == "account.noted"
}

// judge compares what a decision saw with what the log held.
func (a *audit) judge(event carillon.Recorded) {
	at := a.accounts[len(a.accounts)-1]
	taken := a.places[len(a.places)-1]
	switch value := decoded(event).(type) {
	case moved:
		before := at[event.Key]
		if before.Balance != value.Balance || before.Moves != value.Moves || before.Balance+value.Amount < 0 {
			a.violate("a decision rests on the log", "position %d: %+v on %+v", event.Position, value, before)
		}
		at = cloned(at)
		at[event.Key] = before.moved(value)
	case enrolled:
		decision, err := taken.enrol(enrol{value.Course, value.Student})
		if err != nil || decision[0] != carillon.Event(value) {
			a.violate("a decision rests on the log", "position %d: %+v on %+v: %v", event.Position, value, taken, err)
		}
		taken = taken.enrolled(value)
	case left:
		if _, err := taken.leave(leave(value)); err != nil {
			a.violate("a decision rests on the log", "position %d: %+v on %+v: %v", event.Position, value, taken, err)
		}
		taken = taken.left(value)
	}
	a.accounts, a.places = append(a.accounts, at), append(a.places, taken)
}

// acknowledged notes a client's answer.
func (a *audit) acknowledged(o *op, appended carillon.Appended) {
	at, ok := a.commands[o.id]
	switch {
	case !ok || at.First != appended.First || at.Last != appended.Last || at.Version != appended.Version:
		a.violate("what is acknowledged is in the log", "%s was told %+v, and is at %+v (found: %t)", o.id, appended, at, ok)
	case appended.Duplicate && !o.doubted:
		a.violate("an error without doubt means that nothing was appended", "%s was told so, and then that it is at %+v already", o.id, at)
	}
	a.answers[o.id] = appended
}

// rejected notes a rejection; head is where the log stood when the command was sent.
func (a *audit) rejected(o *op, head int) {
	if at, known := a.commands[o.id]; known && (!o.doubted || int(at.Last) <= head) {
		a.violate("a rejected command does nothing", "%s is at %+v", o.id, a.commands[o.id])
	}
	if !o.doubted { // or an attempt that nobody knows of may still be carried out
		a.rejects[o.id] = true
	}
	for at := min(head, a.seen); at <= a.seen; at++ {
		var err error
		switch c := o.command.(type) {
		case move:
			_, err = a.accounts[at][c.Account].decide(c)
		case enrol:
			_, err = a.places[at].enrol(c)
		case leave:
			_, err = a.places[at].leave(c)
		}
		if err != nil {
			return
		}
	}
	a.violate("a rejection rests on the log", "%s %+v was rejected, and would not have been at any position from %d to %d", o.id, o.command, head, a.seen)
}

// failed notes an error that a client was given.
func (a *audit) failed(o *op, err error) {
	if conflict(err) && a.world.calm {
		a.violate("a command gets through", "%s, when all was calm: %v", o.id, err)
	}
}

// denied notes that a client was told that an append did not take place.
func (a *audit) denied(event string) {
	a.denials[event] = true
	if slices.ContainsFunc(a.world.database.events, func(e carillon.Recorded) bool { return e.ID == event }) {
		a.violate("what was resolved as absent is absent", "event %s", event)
	}
}

// behind says what is not done yet, "" for nothing.
func (a *audit) behind() string {
	d := a.world.database
	if a.world.working > 0 {
		return fmt.Sprintf("%d clients are still at work", a.world.working)
	}
	if parked := d.letters.parked(); parked != "" {
		return "there are parked keys: " + parked
	}
	head := carillon.Position(len(d.events))
	for _, m := range []struct {
		name     string
		segments int
	}{{balances, balancesSegments}, {rolls, rollsSegments}, {notices, noticesSegments}} {
		for i := range m.segments {
			if at := d.checkpoint(carillon.ModelRef{Name: m.name, Segment: i}); at < head {
				return fmt.Sprintf("%s/%d stands at %d of %d, under %s", m.name, i, at, head, a.world.leaseText(m.name, i))
			}
		}
	}
	return ""
}

// leaseText describes who has a segment.
func (w *world) leaseText(name string, segment int) string {
	l := w.database.leases[leaseName(name, segment)]
	if l == nil {
		return "no lease"
	}
	return fmt.Sprintf("a lease of %s with epoch %d and %v left (released: %t)", w.unnamed(l.holder), l.epoch, time.Until(l.until), l.released)
}

// finish looks at how everything ended.
func (a *audit) finish() {
	for _, f := range a.folds {
		for i := range f.segments {
			a.compare(f, i, carillon.Position(a.seen))
		}
	}
	for _, problem := range a.effects.missing() {
		a.violate("an effect takes place at least once", "%s", problem)
	}
}
