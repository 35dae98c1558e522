package simulation

import (
	"maps"
	"slices"

	"github.com/carillon-go/carillon"
)

// database is what the processes share: the simplest that keeps the rules of the ports, with the locks of a server. Its methods are
// called under the world's lock, and let it go while they wait.
type database struct {
	world *world

	generations int64 // how many models were made

	events   []carillon.Recorded // committed
	staged   []carillon.Recorded // being committed
	commands map[string]carillon.CommandRecord
	writer   queue
	givenUp  map[attempt]bool // appends that must not be carried out any more

	models    map[string]*model
	letters   *letters
	leases    map[string]*lease
	snapshots map[string]carillon.Snapshot
}

// attempt is an append of a session.
type attempt struct {
	session string
	number  int
}

func newDatabase(w *world) *database {
	return &database{
		world: w, commands: make(map[string]carillon.CommandRecord), givenUp: make(map[attempt]bool), models: make(map[string]*model),
		letters: newLetters(), leases: make(map[string]*lease), snapshots: make(map[string]carillon.Snapshot),
	}
}

// batch is a transaction on the log.
type batch struct {
	events   []carillon.Recorded
	commands map[string]carillon.CommandRecord
}

// append evaluates a batch under the log's lock and commits it, unless its caller has given it up. It returns no verdicts when the
// database took the batch back.
func (d *database) append(of attempt, givenUp []int, appends []carillon.Append, f fate) []carillon.Verdict {
	var early []error
	for i := range appends {
		early = append(early, d.guards(batch{events: d.events}, &appends[i]))
	}
	d.world.take(&d.writer)
	defer d.writer.give()
	for _, number := range givenUp {
		if d.world.bug != lateAppendAccepted {
			d.givenUp[attempt{of.session, number}] = true
		}
	}
	if d.givenUp[of] {
		return nil
	}
	b := batch{events: slices.Clip(d.events), commands: maps.Clone(d.commands)}
	verdicts := make([]carillon.Verdict, len(appends))
	for i := range appends {
		verdicts[i] = d.evaluate(&b, &appends[i], early[i])
	}
	d.staged = b.events[len(d.events):]
	d.world.outstay(f.work)
	d.staged = nil
	if f.aborted && len(appends) > 0 {
		if d.world.bug == acknowledgedEarly {
			return verdicts
		}
		return nil
	}
	d.events = b.events
	if d.world.bug != commandForgotten {
		d.commands = b.commands
	}
	return verdicts
}

// evaluate checks the guards of one append and adds its events to the batch.
func (d *database) evaluate(b *batch, a *carillon.Append, early error) carillon.Verdict {
	if a.Command != nil {
		if record, seen := b.commands[a.Command.ID]; seen {
			if record.Guard.Digest != a.Command.Digest {
				return carillon.Verdict{Err: carillon.ErrCommandReused}
			}
			record.Appended.Duplicate = true
			return carillon.Verdict{Appended: record.Appended}
		}
	}
	err := d.guards(*b, a)
	switch bug := d.world.bug; {
	case bug == conditionBeforeLock && a.Condition != nil, bug == versionBeforeLock && a.Stream != "":
		err = early
	case bug == versionUnchecked && a.Stream != "":
		err = nil
	}
	if err != nil {
		return carillon.Verdict{Err: err}
	}
	version := versionIn(b.events, a.Stream)
	appended := carillon.Appended{First: carillon.Position(len(b.events) + 1)}
	for _, event := range a.Events {
		recorded := carillon.Recorded{Message: event, Position: carillon.Position(len(b.events) + 1)}
		recorded.Value = nil
		if a.Stream != "" {
			version++
			recorded.Stream, recorded.Version = a.Stream, version
		}
		b.events = append(b.events, recorded)
	}
	appended.Last, appended.Version = carillon.Position(len(b.events)), version
	if a.Command != nil {
		b.commands[a.Command.ID] = carillon.CommandRecord{Guard: *a.Command, Appended: appended}
	}
	return carillon.Verdict{Appended: appended}
}

// guards checks stream version and condition.
func (d *database) guards(b batch, a *carillon.Append) error {
	if want, ok := a.Expect.Version(); ok {
		if version := versionIn(b.events, a.Stream); version != want {
			return &carillon.ConflictError{Guard: carillon.GuardVersion, Stream: a.Stream, Expected: want, Actual: version}
		}
	}
	if a.Condition == nil {
		return nil
	}
	for i := min(int(a.Condition.After), len(b.events)); i < len(b.events); i++ {
		if event := &b.events[i]; a.Condition.Query.Matches(event.Type, event.Tags) {
			return &carillon.ConflictError{Guard: carillon.GuardCondition, Position: event.Position}
		}
	}
	return nil
}

// versionIn returns the version of a stream.
func versionIn(events []carillon.Recorded, stream string) int64 {
	for i := len(events) - 1; i >= 0 && stream != ""; i-- {
		if events[i].Stream == stream {
			return events[i].Version
		}
	}
	return 0
}

// visible are the events that readers see.
func (d *database) visible() []carillon.Recorded {
	if d.world.bug == uncommittedVisible {
		return slices.Concat(d.events, d.staged)
	}
	return d.events
}

// smallPage is how many events a page of this database has at most, so that followers meet limits.
const smallPage = 7

func (d *database) read(query carillon.Query, after carillon.Position, limit int) carillon.Page {
	limit = min(limit, smallPage)
	events := d.visible()
	page := carillon.Page{Through: max(after, carillon.Position(len(events)))}
	if d.world.bug == uncommittedSkipped {
		page.Through = max(after, carillon.Position(len(events)+len(d.staged)))
	}
	for i := int(max(after, 0)); i < len(events); i++ {
		event := events[i]
		if !query.Matches(event.Type, event.Tags) {
			continue
		}
		if len(page.Events) == limit {
			page.Through, page.More = page.Events[limit-1].Position, true
			if d.world.bug == pageWithHole {
				page.Events = slices.Delete(page.Events, limit-2, limit-1)
			}
			break
		}
		page.Events = append(page.Events, event)
	}
	return page
}

func (d *database) readStream(stream string, after int64, limit int) []carillon.Recorded {
	var events []carillon.Recorded
	for _, event := range d.visible() {
		if event.Stream == stream && event.Version > after && len(events) < limit {
			events = append(events, event)
		}
	}
	if d.world.bug == lastOfStreamMissed && len(events) > 0 {
		events = events[:len(events)-1]
	}
	return events
}

func (d *database) saveSnapshot(snapshot carillon.Snapshot) {
	if d.world.bug == snapshotAhead {
		snapshot.At++
	}
	if old, ok := d.snapshots[snapshot.Key]; !ok || old.Fingerprint != snapshot.Fingerprint || old.At <= snapshot.At {
		d.snapshots[snapshot.Key] = snapshot
	}
}
