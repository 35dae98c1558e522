package eventtest

import (
	"errors"
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
	state   S
	events  []carillon.Event
	err     error
}

// Decider begins a test of a decider on the state before the first event. Time stands at the first second of 2000, UTC, until
// [Decision.At] says otherwise.
func Decider[S any](t testing.TB, decider *sourcing.Decider[S]) *Decision[S] {
	t.Helper()
	if _, err := sourcing.Bind(decider, sourcing.Runtime{Snapshots: noSnapshots{}}); err != nil {
		t.Errorf("the decider is not sound: %v", err)
	}
	moment := sourcing.Moment{Now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), CommandID: "test"}
	return &Decision[S]{t: t, decider: decider, moment: moment, state: decider.Start()}
}

// Given lets events have happened.
func (d *Decision[S]) Given(events ...carillon.Event) *Decision[S] {
	d.t.Helper()
	d.evolve(events)
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
	before := snapshot(d.state)
	d.events, d.err = d.decider.Decide(d.state, d.moment, command)
	again, errAgain := d.decider.Decide(d.state, d.moment, command)
	if (d.err == nil) != (errAgain == nil) || !same(d.events, again) {
		d.t.Errorf("the decision is not pure: on the same state %T came to another result the second time\n%s",
			command, difference(again, d.events))
	}
	if after := snapshot(d.state); before != after {
		d.t.Errorf("the decision is not pure: %T changed the state it was given\n%s", command, differentText(before, after))
	}
	if d.err == nil {
		d.evolve(d.events)
	}
	return d
}

// evolve folds events into the state, each twice from the same state.
func (d *Decision[S]) evolve(events []carillon.Event) {
	d.t.Helper()
	for _, event := range events {
		stored, err := roundTrip(event)
		if err != nil {
			d.t.Errorf("event %T does not pass through the codec: %v", event, err)
			return
		}
		if !reflect.DeepEqual(stored, event) {
			d.t.Errorf("event %T is not the same after the codec\n%s", event, difference(stored, event))
		}
		if _, ok := eventName(d.decider, event); !ok {
			d.t.Errorf("event %T is not registered: the decider folds %v", event, d.decider.Events())
			return
		}
		before := snapshot(d.state)
		next := d.decider.Evolve(d.state, stored)
		first := snapshot(next)
		if second := snapshot(d.decider.Evolve(d.state, stored)); first != second {
			d.t.Errorf("the fold of %T is not pure: the second time it came to another state\n%s", event, differentText(first, second))
		}
		if after := snapshot(d.state); before != after {
			d.t.Errorf("the fold of %T is not pure: it changed the state it was given\n%s", event, differentText(before, after))
		}
		d.state = next
	}
}

func eventName[S any](decider *sourcing.Decider[S], event carillon.Event) (string, bool) {
	for name, typ := range decider.EventTypes() {
		if typ == reflect.TypeOf(event) {
			return name, true
		}
	}
	return "", false
}

// Then expects exactly these events.
func (d *Decision[S]) Then(events ...carillon.Event) *Decision[S] {
	d.t.Helper()
	if d.err != nil {
		d.t.Errorf("the command was refused: %v", d.err)
	} else if !same(d.events, events) {
		d.t.Errorf("the command came to other events\n%s", difference(d.events, events))
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
	case !ok:
		d.t.Errorf("the command was not rejected: it came to %d events and %v", len(d.events), d.err)
	case rejected.Reason != reason:
		d.t.Errorf("the command was rejected for another reason\n%s", differentText(reason, rejected.Reason))
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

// ThenState expects this state after everything that happened.
func (d *Decision[S]) ThenState(want S) *Decision[S] {
	d.t.Helper()
	if !reflect.DeepEqual(d.state, want) {
		d.t.Errorf("the state is another\n%s", difference(d.state, want))
	}
	return d
}
