package sourcing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// maxAttempts bounds how often a command is decided when others keep appending to its boundary.
const maxAttempts = 10

// attempt is one command on its way through load, decide, append.
type attempt[S any] struct {
	*Bound[S]
	decision decision[S]
	message  *carillon.Message
	of       boundary
	guard    *carillon.CommandGuard
	expected int64 // the version the sender made the command for, -1 for any
	firsts   *firsts
}

// Handle decides a command and appends what it comes to, outside any dispatch. A message without a time gets that of the clock. See
// [Decide] for what the errors say.
func (b *Bound[S]) Handle(ctx context.Context, message *carillon.Message) (carillon.Appended, error) {
	for i, decision := range b.decider.decisions {
		if decision.request == reflect.TypeOf(message.Value) {
			return b.handle(ctx, i, message)
		}
	}
	return carillon.Appended{}, fmt.Errorf("decider %q decides no %T: %w", b.decider.name, message.Value, carillon.ErrUnknownType)
}

// handle carries out the nth decision.
func (b *Bound[S]) handle(ctx context.Context, n int, message *carillon.Message) (carillon.Appended, error) {
	decision := b.decider.decisions[n]
	if message.Time.IsZero() { // a bus gives one; the caller's message stays as it is
		timed := *message
		timed.Time = time.Now().UTC().Truncate(time.Microsecond)
		message = &timed
	}
	a := &attempt[S]{
		Bound: b, decision: decision, message: message, of: decision.boundary(message.Value), expected: -1, firsts: &b.firsts[n],
	}
	if err := a.prepare(); err != nil {
		return carillon.Appended{}, err
	}
	keys := b.keys(a.of)
	release, err := b.locks.take(ctx, keys)
	if err != nil {
		return carillon.Appended{}, err
	}
	defer release()
	return a.run(ctx, b.stateKey(keys))
}

// prepare checks the command's boundary and guards before anything is read.
func (a *attempt[S]) prepare() error {
	if a.decider.across && len(a.of.tags) == 0 || !a.decider.across && a.of.key == "" {
		return carillon.Invalidf(fmt.Sprintf("command %q", a.decision.command), "it names no boundary: its key or tags are empty")
	}
	if a.decider.across {
		a.of.query = a.query(a.of.tags)
	}
	if text, ok := a.message.Headers[carillon.HeaderExpectedVersion]; ok {
		version, err := strconv.ParseInt(text, 10, 64)
		if err != nil || version < 0 || a.decider.across {
			return carillon.Invalidf(fmt.Sprintf("expected version %q", text), "it is the version of an aggregate's stream")
		}
		a.expected = version
	}
	if a.message.Headers[carillon.HeaderOnce] == "" {
		return nil
	}
	encoded, err := a.codec.Encode(a.message.Value)
	if err != nil {
		return fmt.Errorf("command %q: %w", a.decision.command, err)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\x00", a.decision.command)
	hash.Write(encoded)
	a.guard = &carillon.CommandGuard{ID: a.message.ID, Digest: [16]byte(hash.Sum(nil))}
	return nil
}

// run decides, on the kept state first. What that state says no to, or conflicts with, is decided again on a fresh one: the kept
// state may be behind what others have appended.
func (a *attempt[S]) run(ctx context.Context, key string) (carillon.Appended, error) {
	at, kept := a.states.get(key)
	if !kept && !a.decider.across {
		defer func() { a.firsts.learn(at.at == 0) }()
		if kept = a.firsts.likely(); kept {
			at = cached[S]{key: key, state: a.decider.initial}
		}
	}
	var err error
	for n := 0; ; n++ {
		fresh := n > 0 || !kept
		if fresh {
			if at, err = a.refresh(ctx, a.of); err != nil {
				return carillon.Appended{}, err
			}
		}
		appended, err := a.decideAndAppend(ctx, at, fresh)
		switch {
		case errors.Is(err, errStale):
		case errors.Is(err, carillon.ErrConflict) && n < maxAttempts && !a.versionRefused(err):
			if err := a.yield(ctx, n); err != nil {
				return carillon.Appended{}, err
			}
		default:
			return appended, err
		}
	}
}

// yield lets another process go first that conflicts with this one: not after the first conflict, then for a random while that
// doubles with each, so that nobody loses ten times in a row.
func (b *Bound[S]) yield(ctx context.Context, conflicts int) error {
	if conflicts < 2 {
		return ctx.Err()
	}
	timer := time.NewTimer(b.random(100 * time.Microsecond << conflicts))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errStale asks for a decision on a fresh state.
var errStale = errors.New("state may be stale")

// versionRefused reports a conflict with the sender's own expectation, which no reload resolves.
func (a *attempt[S]) versionRefused(err error) bool {
	conflict, ok := errors.AsType[*carillon.ConflictError](err)
	return ok && a.expected >= 0 && conflict.Guard == carillon.GuardVersion && conflict.Expected == a.expected
}

func (a *attempt[S]) decideAndAppend(ctx context.Context, at cached[S], fresh bool) (carillon.Appended, error) {
	if a.expected >= 0 && a.expected != at.at {
		if !fresh {
			return carillon.Appended{}, errStale
		}
		refused := &carillon.ConflictError{Guard: carillon.GuardVersion, Stream: a.stream(a.of.key), Expected: a.expected, Actual: at.at}
		return a.before(ctx, refused)
	}
	events, err := a.decision.decide(at.state, momentOf(a.message), a.message.Value)
	if err != nil || len(events) == 0 {
		if !fresh {
			return carillon.Appended{}, errStale
		}
		return a.before(ctx, err)
	}
	request, err := a.request(events, at)
	if err != nil {
		return carillon.Appended{}, err
	}
	appended, err := a.log.Append(ctx, request)
	if err != nil || appended.Duplicate {
		return appended, err
	}
	a.advance(ctx, at, events, appended)
	return appended, nil
}

// before answers a command that came to nothing: with its original result if it was carried out before, else with err.
func (a *attempt[S]) before(ctx context.Context, err error) (carillon.Appended, error) {
	if a.guard == nil {
		return carillon.Appended{}, err
	}
	record, lookup := a.log.Command(ctx, a.guard.ID)
	switch {
	case errors.Is(lookup, carillon.ErrNotFound):
		return carillon.Appended{}, err
	case lookup != nil:
		return carillon.Appended{}, lookup
	case record.Guard.Digest != a.guard.Digest:
		return carillon.Appended{}, carillon.ErrCommandReused
	}
	record.Appended.Duplicate = true
	return record.Appended, nil
}

// request is the append a decision comes to.
func (a *attempt[S]) request(events []carillon.Event, at cached[S]) (carillon.Append, error) {
	request := carillon.Append{Command: a.guard, Events: make([]carillon.Message, len(events))}
	for i, event := range events {
		name, ok := a.decider.types[reflect.TypeOf(event)]
		if !ok {
			return carillon.Append{}, fmt.Errorf("decider %q: command %q came to a %T: register it with On: %w",
				a.decider.name, a.decision.command, event, carillon.ErrUnknownType)
		}
		payload, err := a.codec.Encode(event)
		if err != nil {
			return carillon.Append{}, fmt.Errorf("decider %q: encode event %q: %w", a.decider.name, name, err)
		}
		request.Events[i] = carillon.Message{
			ID: ids.New(), Kind: carillon.KindEvent, Type: name, Key: a.of.key, Time: a.message.Time,
			CorrelationID: a.message.CorrelationID, CausationID: a.message.ID,
			TraceParent: a.message.TraceParent, TraceState: a.message.TraceState, Tenant: a.message.Tenant,
			ContentType: a.codec.ContentType(), Payload: payload,
		}
		request.Events[i].Tags = tagsOf(event)
	}
	if a.decider.across {
		request.Condition = &carillon.Condition{Query: a.of.query, After: carillon.Position(at.at)}
		return request, nil
	}
	request.Stream, request.Expect = a.stream(a.of.key), carillon.Exactly(at.at)
	return request, nil
}

// advance keeps the state after an append of its own: nothing else can have come between, the guard saw to that.
func (a *attempt[S]) advance(ctx context.Context, at cached[S], events []carillon.Event, appended carillon.Appended) {
	across := a.decider.across
	for _, event := range events {
		if across && !a.of.query.Matches(a.decider.types[reflect.TypeOf(event)], tagsOf(event)) {
			continue
		}
		at.state = a.decider.Evolve(at.state, event)
		at.unsaved++
	}
	at.at = appended.Version
	if across {
		at.at = int64(appended.Last)
	}
	a.save(ctx, &at)
	a.states.put(at)
}

func tagsOf(event carillon.Event) []carillon.Tag {
	if tagger, ok := event.(carillon.Tagger); ok {
		return tagger.Tags()
	}
	return nil
}
