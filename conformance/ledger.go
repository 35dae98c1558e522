package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

// ledger is what a log must hold: the kit's own book of the appends the log has accepted, and the rules a verdict follows.
type ledger struct {
	events   []carillon.Recorded
	streams  map[string][]int
	commands map[string]carillon.CommandRecord
}

func newLedger() *ledger {
	return &ledger{streams: make(map[string][]int), commands: make(map[string]carillon.CommandRecord)}
}

func (l *ledger) head() carillon.Position { return carillon.Position(len(l.events)) }

func (l *ledger) version(stream string) int64 { return int64(len(l.streams[stream])) }

// judge says what must become of an append that is next.
func (l *ledger) judge(a *carillon.Append) outcome {
	if a.Command != nil {
		if record, seen := l.commands[a.Command.ID]; seen {
			if record.Guard.Digest != a.Command.Digest {
				return reused
			}
			return duplicate
		}
	}
	if want, ok := a.Expect.Version(); ok && want != l.version(a.Stream) {
		return versionConflict
	}
	if a.Condition != nil && l.matchAfter(a.Condition.Query, a.Condition.After) {
		return conditionConflict
	}
	return accepted
}

func (l *ledger) matchAfter(query carillon.Query, after carillon.Position) bool {
	for i := int(after); i < len(l.events); i++ {
		if query.Matches(l.events[i].Type, l.events[i].Tags) {
			return true
		}
	}
	return false
}

// accept takes an append up and returns where its events stand.
func (l *ledger) accept(a *carillon.Append) carillon.Appended {
	appended := carillon.Appended{First: l.head() + 1}
	for _, event := range a.Events {
		recorded := carillon.Recorded{Message: event, Position: l.head() + 1}
		if a.Stream != "" {
			l.streams[a.Stream] = append(l.streams[a.Stream], len(l.events))
			recorded.Stream, recorded.Version = a.Stream, l.version(a.Stream)
		}
		l.events = append(l.events, recorded)
		appended.Last, appended.Version = recorded.Position, recorded.Version
	}
	if a.Command != nil {
		l.commands[a.Command.ID] = carillon.CommandRecord{Guard: *a.Command, Appended: appended}
	}
	return appended
}

// settle holds the verdicts of a batch against the rules and takes up what was accepted. Nobody else may append meanwhile.
func (l *ledger) settle(batch []carillon.Append, verdicts []carillon.Verdict) error {
	for i := range batch {
		if err := l.settleOne(&batch[i], verdicts[i]); err != nil {
			return fmt.Errorf("append %d of %d (%s): %w", i+1, len(batch), describe(&batch[i]), err)
		}
	}
	return nil
}

func (l *ledger) settleOne(a *carillon.Append, verdict carillon.Verdict) error {
	got, err := outcomeOf(verdict)
	if err != nil {
		return err
	}
	if want := l.judge(a); got != want {
		return fmt.Errorf("%s, want %s", got, want)
	}
	switch got {
	case accepted:
		if want := l.accept(a); verdict.Appended != want {
			return fmt.Errorf("appended %+v, want %+v", verdict.Appended, want)
		}
		return nil
	case versionConflict:
		if err := l.refusedByVersion(a, verdict.Err); err != nil {
			return err
		}
		conflict, _ := errors.AsType[*carillon.ConflictError](verdict.Err)
		if actual := l.version(a.Stream); conflict.Actual != actual {
			return fmt.Errorf("the conflict has actual version %d, the stream is at %d", conflict.Actual, actual)
		}
		return nil
	default:
		return l.refused(a, verdict)
	}
}

// refused holds a verdict that added nothing against the ledger as it is, which may be further on than when the log gave it.
func (l *ledger) refused(a *carillon.Append, verdict carillon.Verdict) error {
	got, err := outcomeOf(verdict)
	if err != nil {
		return err
	}
	switch got {
	case duplicate, reused:
		if a.Command == nil {
			return fmt.Errorf("%s, but it carries no command id", got)
		}
		record, seen := l.commands[a.Command.ID]
		same := record.Guard.Digest == a.Command.Digest
		switch {
		case !seen:
			return fmt.Errorf("%s, but nothing was appended under command id %q", got, a.Command.ID)
		case same != (got == duplicate):
			return fmt.Errorf("%s, but the digests of command id %q being the same is %t", got, a.Command.ID, same)
		}
		want := record.Appended
		want.Duplicate = true
		if got == duplicate && verdict.Appended != want {
			return fmt.Errorf("the duplicate was answered with %+v, the original result is %+v", verdict.Appended, want)
		}
		return nil
	case versionConflict:
		return l.refusedByVersion(a, verdict.Err)
	case conditionConflict:
		return l.refusedByCondition(a, verdict.Err)
	default:
		return fmt.Errorf("%s, which is no refusal", got)
	}
}

func (l *ledger) refusedByVersion(a *carillon.Append, err error) error {
	conflict, _ := errors.AsType[*carillon.ConflictError](err)
	want, ok := a.Expect.Version()
	if !ok {
		return fmt.Errorf("refused for its stream version, but it expects none: %w", err)
	}
	if conflict.Stream != a.Stream || conflict.Expected != want {
		return fmt.Errorf("the conflict names stream %q at expected version %d; the append has %q at %d",
			conflict.Stream, conflict.Expected, a.Stream, want)
	}
	if conflict.Actual == want || conflict.Actual < 0 || conflict.Actual > l.version(a.Stream) {
		return fmt.Errorf("the conflict has actual version %d, expected was %d, the stream is at %d", conflict.Actual, want, l.version(a.Stream))
	}
	return nil
}

func (l *ledger) refusedByCondition(a *carillon.Append, err error) error {
	conflict, _ := errors.AsType[*carillon.ConflictError](err)
	if a.Condition == nil {
		return fmt.Errorf("refused for its condition, but it has none: %w", err)
	}
	at := conflict.Position
	if at <= a.Condition.After || at > l.head() {
		return fmt.Errorf("the conflict names position %d, which does not lie after %d and up to the head %d", at, a.Condition.After, l.head())
	}
	if event := &l.events[at-1]; !a.Condition.Query.Matches(event.Type, event.Tags) {
		return fmt.Errorf("the conflict names position %d, where a %q tagged %v does not match %s", at, event.Type, event.Tags, describeQuery(a.Condition.Query))
	}
	return nil
}

// verify compares the log with the ledger: the head, every event by position and by stream, every command id.
func (l *ledger) verify(ctx context.Context, log carillon.Log) error {
	head, err := log.Head(ctx)
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	if head != l.head() {
		return fmt.Errorf("the head is %d, want %d", head, l.head())
	}
	events, _, err := walk(ctx, log, carillon.AllEvents(), 0, 1000)
	if err != nil {
		return err
	}
	if err := sameEvents(events, l.events); err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	for stream := range l.streams {
		events, err := walkStream(ctx, log, stream, 0, 1000)
		if err != nil {
			return err
		}
		if err := sameEvents(events, l.stream(stream)); err != nil {
			return fmt.Errorf("stream %q: %w", stream, err)
		}
	}
	for id, want := range l.commands {
		got, err := log.Command(ctx, id)
		if err != nil {
			return fmt.Errorf("command %q: %w", id, err)
		}
		if got != want {
			return fmt.Errorf("command %q: the log remembers %+v, want %+v", id, got, want)
		}
	}
	return nil
}

// stream returns the events of a stream.
func (l *ledger) stream(name string) []carillon.Recorded {
	events := make([]carillon.Recorded, 0, len(l.streams[name]))
	for _, i := range l.streams[name] {
		events = append(events, l.events[i])
	}
	return events
}

// matching returns the events after a position that match a query.
func (l *ledger) matching(query carillon.Query, after carillon.Position) []carillon.Recorded {
	var events []carillon.Recorded
	for i := int(after); i < len(l.events); i++ {
		if event := &l.events[i]; query.Matches(event.Type, event.Tags) {
			events = append(events, *event)
		}
	}
	return events
}
