package eventtest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// Decision is a decider under test: what happened, and what a command came to.
type Decision[S any] struct {
	t       testing.TB
	decider *sourcing.Decider[S]
	moment  sourcing.Moment
	history []happened
	query   carillon.Query // the last command's boundary; everything for an aggregate
	events  []carillon.Event
	err     error
}

// happened is an event as it comes back from a log.
type happened struct {
	message carillon.Message
	event   carillon.Event
}

// Decider begins a test of a decider on the state before the first event. Time stands at the first second of 2000, UTC, until
// [Decision.At] says otherwise.
func Decider[S any](t testing.TB, decider *sourcing.Decider[S]) *Decision[S] {
	t.Helper()
	if _, err := sourcing.Bind(decider, sourcing.Runtime{Snapshots: noSnapshots{}}); err != nil {
		t.Errorf("the decider is not sound: %v", err)
	}
	moment := sourcing.Moment{Now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), CommandID: "test"}
	return &Decision[S]{t: t, decider: decider, moment: moment}
}

// Given lets events have happened. Those of an aggregate happened in the command's stream; those of a boundary anywhere, and a
// command sees the ones its tags draw.
func (d *Decision[S]) Given(events ...carillon.Event) *Decision[S] {
	d.t.Helper()
	d.happen(events)
	return d
}

// At sets the time decisions see.
func (d *Decision[S]) At(now time.Time) *Decision[S] {
	d.moment.Now = now
	return d
}

// When decides a command. Its events happen too: further commands are decided on what they lead to.
func (d *Decision[S]) When(command any) *Decision[S] {
	d.t.Helper()
	if !d.bounded(command) {
		return d
	}
	state := d.state()
	given, asked := text(state), text(command)
	d.events, d.err = d.decider.Decide(state, d.moment, command)
	switch after := text(state); {
	case after != given:
		d.t.Errorf("the decision is not pure: %T changed the state it was given\n%s", command, lines(given, after))
	case text(command) != asked:
		d.t.Errorf("the decision is not pure: %T was changed\n%s", command, lines(asked, text(command)))
	default:
		d.again(state, command)
	}
	if d.err == nil {
		d.happen(d.events)
	}
	return d
}

// bounded finds the boundary of a command, and reports one that cannot be.
func (d *Decision[S]) bounded(command any) bool {
	d.t.Helper()
	var key string
	var tags []carillon.Tag
	if key, tags, d.err = d.decider.BoundaryOf(command); d.err != nil {
		d.events = nil
		return false
	}
	d.query = carillon.AllEvents()
	for _, tag := range tags {
		d.query.Items = append(d.query.Items, carillon.Item{Types: d.decider.Events(), Tags: []carillon.Tag{tag}})
	}
	if key == "" && len(tags) == 0 {
		d.t.Errorf("%T names no boundary: its key or tags are empty", command)
	}
	if err := d.query.Check(); err != nil {
		d.t.Errorf("the boundary of %T: %v", command, err)
	}
	return true
}

// again decides the same a second time.
func (d *Decision[S]) again(state S, command any) {
	d.t.Helper()
	events, err := d.decider.Decide(state, d.moment, command)
	first, second := eventsText(d.events), eventsText(events)
	if d.err != nil || err != nil {
		first, second = fmt.Sprint(first, "\nerror: ", d.err), fmt.Sprint(second, "\nerror: ", err)
	}
	if first != second {
		d.t.Errorf("the decision is not pure: on the same state %T came to another result the second time\n%s", command, lines(first, second))
	}
}

// happen passes events through the codec and folds each.
func (d *Decision[S]) happen(events []carillon.Event) {
	d.t.Helper()
	for _, event := range events {
		name, ok := d.name(event)
		if !ok {
			d.t.Errorf("event %T is not registered: the decider folds %v", event, d.decider.Events())
			return
		}
		message, stored, err := recorded(name, event)
		if err != nil {
			d.t.Errorf("event %T: %v", event, err)
			return
		}
		description := d.decider.Describe()
		if description.Kind == "boundary" && len(message.Tags) == 0 {
			d.t.Errorf("event %T carries no tags: no boundary finds it", event)
			return
		}
		state := d.fold(d.state(), stored)
		d.history = append(d.history, happened{message, stored})
		if description.Detail["snapshots"] == "" {
			continue
		}
		if _, err := passed(state); err != nil {
			d.t.Errorf("the state goes through the codec, since the decider saves snapshots: %v", err)
			return
		}
	}
}

func (d *Decision[S]) name(event carillon.Event) (string, bool) {
	for name, typ := range d.decider.EventTypes() {
		if typ == reflect.TypeOf(event) {
			return name, true
		}
	}
	return "", false
}

// fold folds an event into a state twice, and looks for what a fold must not do.
func (d *Decision[S]) fold(state S, event carillon.Event) S {
	d.t.Helper()
	given, folded := text(state), text(event)
	next := d.decider.Evolve(state, event)
	first := text(next)
	if after := text(state); after != given {
		d.t.Errorf("the fold of %T is not pure: it changed the state it was given\n%s", event, lines(given, after))
		return next
	}
	if after := text(event); after != folded {
		d.t.Errorf("the fold of %T is not pure: it changed the event\n%s", event, lines(folded, after))
		return next
	}
	if second := text(d.decider.Evolve(state, event)); first != second {
		d.t.Errorf("the fold of %T is not pure: the second time it came to another state\n%s", event, lines(first, second))
	}
	return next
}

// state folds what happened within the last command's boundary.
func (d *Decision[S]) state() S {
	state := d.decider.Start()
	for _, h := range d.history {
		if d.query.Matches(h.message.Type, h.message.Tags) {
			state = d.decider.Evolve(state, h.event)
		}
	}
	return state
}

// Then expects exactly these events.
func (d *Decision[S]) Then(events ...carillon.Event) *Decision[S] {
	d.t.Helper()
	got, want := eventsText(d.events), eventsText(events)
	if d.err != nil {
		d.t.Errorf("the command was refused: %v", d.err)
	} else if got != want {
		d.t.Errorf("the command came to other events\n%s", lines(want, got))
	}
	return d
}

// ThenNothing expects that there was nothing to do.
func (d *Decision[S]) ThenNothing() *Decision[S] {
	d.t.Helper()
	return d.Then()
}

// ThenRejected expects a rejection with this reason.
func (d *Decision[S]) ThenRejected(reason string) *Decision[S] {
	d.t.Helper()
	rejected, ok := errors.AsType[*carillon.RejectedError](d.err)
	switch {
	case d.err == nil:
		d.t.Errorf("the command was not rejected, it came to\n%s", eventsText(d.events))
	case !ok:
		d.t.Errorf("the command was not rejected, it failed: %v", d.err)
	case rejected.Reason != reason:
		d.t.Errorf("the command was rejected for another reason\n%s", lines(reason, rejected.Reason))
	}
	return d
}

// ThenError expects an error that errors.Is finds to be target.
func (d *Decision[S]) ThenError(target error) *Decision[S] {
	d.t.Helper()
	if !errors.Is(d.err, target) {
		d.t.Errorf("the command came to %v, want %v", d.err, target)
	}
	return d
}

// ThenState expects this state after everything that happened, within the boundary of the last command if there was one.
func (d *Decision[S]) ThenState(want S) *Decision[S] {
	d.t.Helper()
	if got := d.state(); !same(got, want) {
		d.t.Errorf("the state is another\n%s", difference(got, want))
	}
	return d
}
