package conformance

import (
	"context"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// TestConcurrentHistoriesAreContested wants what makes a history worth checking: calls that overlap, and every kind of answer.
func TestConcurrentHistoriesAreContested(t *testing.T) {
	t.Parallel()
	var operations []porcupine.Operation
	recording := check{"recording", func(ctx context.Context, s *subject) (err error) {
		operations, err = s.record(ctx, 2000)
		return err
	}}
	open := func(testing.TB) carillon.Opener { return memory.Volatile() }
	if err := recording.against(t.Context(), t, open, testSettings(t)); err != nil {
		t.Fatal(err)
	}
	outcomes, overlapping := make(map[outcome]int), 0
	for _, operation := range operations {
		if operation.Return > operation.Call+1 {
			overlapping++
		}
		seen, ok := operation.Input.(*appendSeen)
		for i := 0; ok && i < len(seen.verdicts); i++ {
			kind, err := outcomeOf(seen.verdicts[i])
			if err != nil {
				t.Fatal(err)
			}
			outcomes[kind]++
		}
	}
	t.Logf("%d calls, %d of them overlapping others: %v", len(operations), overlapping, outcomes)
	for _, kind := range []outcome{accepted, duplicate, reused, versionConflict, conditionConflict} {
		if outcomes[kind] < 20 {
			t.Errorf("%s: %d appends of 2,000 calls", kind, outcomes[kind])
		}
	}
	if overlapping < 100 {
		t.Errorf("%d of %d calls overlap others", overlapping, len(operations))
	}
}

// TestLinearize has small histories, written down by hand.
func TestLinearize(t *testing.T) {
	t.Parallel()
	event := func(id string) carillon.Message {
		return carillon.Message{ID: id, Type: "seat.taken", Tags: []carillon.Tag{"seat:1"}}
	}
	appended := func(a carillon.Append, first carillon.Position, version int64) *appendSeen {
		return &appendSeen{[]carillon.Append{a}, []carillon.Verdict{{Appended: carillon.Appended{First: first, Last: first, Version: version}}}}
	}
	one := appended(to("s", carillon.NoStream(), event("1")), 1, 1)
	two := appended(to("s", carillon.Exactly(1), event("2")), 2, 2)
	taken := unless(loose(event("2")), carillon.ByTags("seat:1"), 0)
	at := func(call, end int64, seen observation) porcupine.Operation {
		return porcupine.Operation{ClientId: int(call), Input: seen, Call: call, Return: end}
	}
	for _, tt := range []struct {
		name    string
		history []porcupine.Operation
		stuck   string // in the error; empty for a history that is linearizable
	}{
		{name: "one after the other", history: []porcupine.Operation{at(1, 2, one), at(3, 4, two), at(5, 6, &headSeen{2})}},
		{name: "answered in the other order", history: []porcupine.Operation{at(1, 6, one), at(2, 5, two), at(7, 8, &headSeen{2})}},
		{name: "seen before it is answered", history: []porcupine.Operation{at(1, 4, one), at(2, 3, &headSeen{1})}},
		{name: "not yet seen while it is under way", history: []porcupine.Operation{at(1, 4, one), at(2, 3, &headSeen{0})}},
		{name: "answered and not seen", history: []porcupine.Operation{at(1, 2, one), at(3, 4, &headSeen{0})}, stuck: "head: 0"},
		{name: "seen and gone again", history: []porcupine.Operation{
			at(1, 6, one), at(2, 3, &headSeen{1}), at(4, 5, &headSeen{0}),
		}, stuck: "head: 0"},
		{name: "seen before it was called", history: []porcupine.Operation{at(1, 2, &headSeen{1}), at(3, 4, one)}, stuck: "head: 1"},
		{name: "two at one position", history: []porcupine.Operation{
			at(1, 4, one), at(2, 3, appended(loose(event("2")), 1, 0)),
		}, stuck: "First:1"},
		{name: "accepted although its condition does not hold", history: []porcupine.Operation{
			at(1, 2, one), at(3, 4, appended(taken, 2, 0)),
		}, stuck: "seat:1"},
		{name: "refused although its condition holds", history: []porcupine.Operation{
			at(1, 2, &appendSeen{[]carillon.Append{taken}, []carillon.Verdict{
				{Err: &carillon.ConflictError{Guard: carillon.GuardCondition, Position: 1}},
			}}), at(3, 4, one),
		}, stuck: "conflict"},
		{name: "of unknown outcome, found", history: []porcupine.Operation{
			at(1, 6, &unknownSeen{one.batch, []carillon.Position{1}}), at(2, 3, &headSeen{0}), at(4, 5, two),
		}},
		{name: "of unknown outcome, found where it cannot be", history: []porcupine.Operation{
			at(1, 6, &unknownSeen{one.batch, []carillon.Position{2}}), at(2, 3, &headSeen{0}),
		}, stuck: "unknown outcome"},
		{name: "a command remembered before it was carried out", history: []porcupine.Operation{
			at(1, 2, &commandSeen{"c", &carillon.CommandRecord{Guard: carillon.CommandGuard{ID: "c"}, Appended: one.verdicts[0].Appended}}),
			at(3, 4, appended(once(one.batch[0], "c", 0), 1, 1)),
		}, stuck: `command "c"`},
		{name: "a page without an event before its end", history: []porcupine.Operation{
			at(1, 2, one), at(3, 4, two), at(5, 6, &pageSeen{limit: 9, page: carillon.Page{
				Events:  []carillon.Recorded{{Message: event("2"), Position: 2, Stream: "s", Version: 2}},
				Through: 2,
			}}),
		}, stuck: "events at [2]"},
		{name: "a stream without its last event", history: []porcupine.Operation{
			at(1, 2, one), at(3, 4, two), at(5, 6, &streamSeen{stream: "s", limit: 9, events: []carillon.Recorded{
				{Message: event("1"), Position: 1, Stream: "s", Version: 1},
			}}),
		}, stuck: `stream "s"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := linearize(tt.history)
			if tt.stuck == "" && err != nil {
				t.Error(err)
			}
			if tt.stuck != "" && (err == nil || !strings.Contains(err.Error(), tt.stuck)) {
				t.Errorf("got %v, want an error that names %q", err, tt.stuck)
			}
		})
	}
}
