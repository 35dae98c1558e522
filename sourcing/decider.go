package sourcing

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/carillon-go/carillon"
)

// Decider is the definition of a decider whose state is an S. It is a value without I/O: [Bind] it to a log to run it.
type Decider[S any] struct {
	name      string
	across    bool // the boundary is drawn with tags, not with a stream
	initial   S
	folds     map[string]fold[S]
	types     map[reflect.Type]string
	decisions []decision[S]
	snapshots int
	version   int
	err       error
}

// fold is what one event type does to a state.
type fold[S any] struct {
	event  reflect.Type // nil for an ignored type
	replay func(carillon.Codec, S, []byte) (S, error)
	evolve func(S, any) S
}

// decision is what one command type comes to.
type decision[S any] struct {
	command  string
	request  reflect.Type
	boundary func(command any) boundary
	decide   func(S, Moment, any) ([]carillon.Event, error)
}

// boundary is what a command's decision rests on.
type boundary struct {
	key   string         // of an aggregate
	tags  []carillon.Tag // of a boundary across streams
	query carillon.Query // what the tags draw
}

// Part is one piece of a decider's definition.
type Part[S any] func(*Decider[S])

// Aggregate defines a decider over one stream for each key, named name-key. Mistakes in the definition come to light when it
// is bound.
func Aggregate[S any](name string, parts ...Part[S]) *Decider[S] { return define(name, false, parts) }

// Boundary defines a decider over all events that carry any of a command's tags, whatever their streams, after the dynamic
// consistency boundaries of dcb.events. It reads events of the types registered with [On] only. Its own events belong to no
// stream and are found by the tags their Tags method gives, see [carillon.Tagger].
func Boundary[S any](name string, parts ...Part[S]) *Decider[S] { return define(name, true, parts) }

func define[S any](name string, across bool, parts []Part[S]) *Decider[S] {
	d := &Decider[S]{name: name, across: across, folds: make(map[string]fold[S]), types: make(map[reflect.Type]string)}
	if err := carillon.CheckType(name); err != nil {
		d.fail(err)
	}
	for _, part := range parts {
		part(d)
	}
	return d
}

// fail remembers the first mistake of a definition.
func (d *Decider[S]) fail(err error) {
	if d.err == nil {
		d.err = fmt.Errorf("decider %q: %w", d.name, err)
	}
}

// Initial sets the state before the first event. Default: the zero S.
func Initial[S any](state S) Part[S] {
	return func(d *Decider[S]) { d.initial = state }
}

// On registers an event type under its stable name with the fold that evolves the state. A fold is pure.
func On[S, E any](event string, evolve func(S, E) S) Part[S] {
	return func(d *Decider[S]) {
		d.register(event, reflect.TypeFor[E](), fold[S]{
			event: reflect.TypeFor[E](),
			replay: func(codec carillon.Codec, state S, payload []byte) (S, error) {
				var event E
				if err := codec.Decode(payload, &event); err != nil {
					return state, err
				}
				return evolve(state, event), nil
			},
			evolve: func(state S, value any) S { return evolve(state, value.(E)) },
		})
	}
}

// Ignore says that events of these types may stand in an aggregate's stream and mean nothing to its state. Types neither
// registered nor ignored are an error, since a decision must not rest on half of what happened.
func Ignore[S any](events ...string) Part[S] {
	return func(d *Decider[S]) {
		for _, event := range events {
			d.register(event, nil, fold[S]{})
		}
	}
}

func (d *Decider[S]) register(event string, typ reflect.Type, f fold[S]) {
	if err := carillon.CheckType(event); err != nil {
		d.fail(err)
	}
	if _, taken := d.folds[event]; taken {
		d.fail(carillon.Invalidf(fmt.Sprintf("event %q", event), "it is registered twice"))
	}
	d.folds[event] = f
	if typ == nil {
		return
	}
	if tagger := reflect.TypeFor[carillon.Tagger](); !typ.Implements(tagger) && reflect.PointerTo(typ).Implements(tagger) {
		d.fail(carillon.Invalidf(fmt.Sprintf("event %q", event), "its method Tags has a pointer receiver, so the value carries no tags: give it a value receiver"))
	}
	if other, taken := d.types[typ]; taken {
		d.fail(carillon.Invalidf(fmt.Sprintf("event %q", event), "its Go type %s is that of %q already", typ, other))
	}
	d.types[typ] = event
}

// Decide registers a command type under its stable name. boundary gives the key of an aggregate, or the tags of a [Boundary];
// decide gives the events the command comes to, or an error such as [carillon.Rejectf]. No events and no error means that there
// is nothing to do. decide is pure.
func Decide[S, C any, B string | []carillon.Tag](command string, boundary func(C) B, decide func(S, C) ([]carillon.Event, error)) Part[S] {
	return DecideAt(command, boundary, func(state S, _ Moment, c C) ([]carillon.Event, error) { return decide(state, c) })
}

// DecideAt is [Decide] for decisions that need the time or fresh ids, which a decision takes from its [Moment] alone.
func DecideAt[S, C any, B string | []carillon.Tag](
	command string, boundaryOf func(C) B, decide func(S, Moment, C) ([]carillon.Event, error),
) Part[S] {
	return func(d *Decider[S]) {
		if err := carillon.CheckType(command); err != nil {
			d.fail(err)
		}
		for _, other := range d.decisions {
			switch {
			case other.command == command:
				d.fail(carillon.Invalidf(fmt.Sprintf("command %q", command), "it is decided twice"))
			case other.request == reflect.TypeFor[C]():
				d.fail(carillon.Invalidf(fmt.Sprintf("command %q", command), "its Go type %s is that of %q already", other.request, other.command))
			}
		}
		if _, tagged := any(*new(B)).([]carillon.Tag); tagged != d.across {
			d.fail(carillon.Invalidf(fmt.Sprintf("command %q", command), "an aggregate's command gives a key, a boundary's gives tags"))
		}
		d.decisions = append(d.decisions, decision[S]{
			command: command,
			request: reflect.TypeFor[C](),
			boundary: func(c any) boundary {
				switch b := any(boundaryOf(c.(C))).(type) {
				case string:
					return boundary{key: b}
				case []carillon.Tag:
					return boundary{tags: b}
				default:
					return boundary{}
				}
			},
			decide: func(state S, moment Moment, c any) ([]carillon.Event, error) { return decide(state, moment, c.(C)) },
		})
	}
}

// SnapshotEvery saves a snapshot after every so many events of a boundary, of which others in the log do not count. Default: none; a stream is replayed, and hot states
// stay in memory. A state with a field that is not encoded, such as an unexported one, is refused when the decider is bound.
func SnapshotEvery[S any](events int) Part[S] {
	return func(d *Decider[S]) { d.snapshots = max(events, 0) }
}

// FoldVersion makes snapshots of other fold versions invalid. Raise it when a fold changes in a way its results on sample events
// do not show; see [Decider.Fingerprint].
func FoldVersion[S any](version int) Part[S] {
	return func(d *Decider[S]) { d.version = version }
}

// Name returns the decider's name.
func (d *Decider[S]) Name() string { return d.name }

// Events returns the names of the event types the decider folds, sorted.
func (d *Decider[S]) Events() []string {
	var names []string
	for _, name := range d.types {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// EventTypes returns the Go types of the events the decider folds, by name.
func (d *Decider[S]) EventTypes() map[string]reflect.Type {
	types := make(map[string]reflect.Type, len(d.types))
	for typ, name := range d.types {
		types[name] = typ
	}
	return types
}

// Evolve folds one event into a state, for tests. Events of unregistered types leave it as it is.
func (d *Decider[S]) Evolve(state S, event carillon.Event) S {
	if name, ok := d.types[reflect.TypeOf(event)]; ok {
		return d.folds[name].evolve(state, event)
	}
	return state
}

// Decide decides one command on a state, for tests; [carillon.ErrUnknownType] when no decision is registered for it.
func (d *Decider[S]) Decide(state S, moment Moment, command any) ([]carillon.Event, error) {
	for _, decision := range d.decisions {
		if decision.request == reflect.TypeOf(command) {
			return decision.decide(state, moment, command)
		}
	}
	return nil, d.unknown(command)
}

func (d *Decider[S]) unknown(command any) error {
	return fmt.Errorf("decider %q decides no %T: %w", d.name, command, carillon.ErrUnknownType)
}

// BoundaryOf returns the boundary of a command, for tests: the key of an aggregate, or the tags of a [Boundary].
// [carillon.ErrUnknownType] when no decision is registered for it.
func (d *Decider[S]) BoundaryOf(command any) (key string, tags []carillon.Tag, err error) {
	for _, decision := range d.decisions {
		if decision.request == reflect.TypeOf(command) {
			of := decision.boundary(command)
			return of.key, of.tags, nil
		}
	}
	return "", nil, d.unknown(command)
}

// Start returns the state before the first event.
func (d *Decider[S]) Start() S { return d.initial }

// Describe describes the decider.
func (d *Decider[S]) Describe() carillon.Description {
	description := carillon.Description{Kind: "aggregate", Name: d.name, Emits: d.Events()}
	if d.across {
		description.Kind = "boundary"
	}
	for _, decision := range d.decisions {
		description.Accepts = append(description.Accepts, decision.command)
	}
	if d.snapshots > 0 {
		description.Detail = map[string]string{"snapshots": fmt.Sprintf("every %d events", d.snapshots)}
	}
	return description
}
