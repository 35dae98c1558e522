package projection

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// Model is the definition of a keyed read model whose rows are of type S.
type Model[S any] struct {
	name    string
	version int
	folds   map[string]fold[S]
	err     error

	once  sync.Once // of the fingerprint, which folds samples
	shape string
}

// fold is what one event type does to which rows.
type fold[S any] struct {
	// event is the Go type of the events, nil when the fold does not decode them.
	event reflect.Type
	// decode decodes the event; it may run ahead of the fold on another goroutine.
	decode func(carillon.Codec, *eventlog.Entry) error
	// apply folds the event into the rows it touches.
	apply func(context.Context, carillon.Codec, *eventlog.Entry, rows[S]) error
	// entity says that rows are keyed by the entity of the event's stream.
	entity bool
}

// rows gives a fold the rows it touches.
type rows[S any] interface {
	// change returns the state of a row for the fold to change, nil to pass over it. A row that is not there is made, with the zero S.
	change(ctx context.Context, key string) (*S, error)
	// remove deletes a row, if it is there.
	remove(ctx context.Context, key string) error
}

// Part is one piece of a keyed projection's definition.
type Part[S any] func(*Model[S])

// Keyed defines a keyed projection. Mistakes in the definition come to light when it is added to an [Engine].
func Keyed[S any](name string, parts ...Part[S]) *Model[S] {
	m := &Model[S]{name: name, folds: make(map[string]fold[S])}
	if err := carillon.CheckType(name); err != nil {
		m.fail(err)
	}
	for _, part := range parts {
		part(m)
	}
	if len(m.folds) == 0 {
		m.fail(carillon.Invalidf("projection", "it folds at least one event type, see On"))
	}
	return m
}

func (m *Model[S]) fail(err error) {
	if m.err == nil {
		m.err = fmt.Errorf("projection %q: %w", m.name, err)
	}
}

func (m *Model[S]) register(event string, f fold[S]) {
	if err := carillon.CheckType(event); err != nil {
		m.fail(err)
	}
	if _, taken := m.folds[event]; taken {
		m.fail(carillon.Invalidf(fmt.Sprintf("event %q", event), "it is folded twice"))
	}
	m.folds[event] = f
}

// On folds events into the row of the entity they happened to: the row's key is the event's key, such as "1" for an event of
// stream account-1. The row keeps the stream's version, which REST answers as its ETag. The fold is pure, and the first event of
// a key meets the zero S.
func On[S, E any](event string, apply func(S, E) S) Part[S] {
	return part(event, true, func(ctx context.Context, entry *eventlog.Entry, e E, rows rows[S]) error {
		return foldInto(ctx, rows, entityKey(entry.Recorded), apply, e)
	})
}

// Remove deletes the row of the entity the events happened to, whatever they say.
func Remove[S any](event string) Part[S] {
	return func(m *Model[S]) {
		m.register(event, fold[S]{
			entity: true,
			decode: func(carillon.Codec, *eventlog.Entry) error { return nil },
			apply: func(ctx context.Context, _ carillon.Codec, entry *eventlog.Entry, rows rows[S]) error {
				if key := entityKey(entry.Recorded); key != "" {
					return rows.remove(ctx, key)
				}
				return nil
			},
		})
	}
}

// By folds events into the row of a key that the event gives. An empty key folds nothing.
func By[S, E any](event string, key func(E) string, apply func(S, E) S) Part[S] {
	return part(event, false, func(ctx context.Context, _ *eventlog.Entry, e E, rows rows[S]) error {
		return foldInto(ctx, rows, key(e), apply, e)
	})
}

// Each folds one event into several rows: split yields keys and what belongs to each. A key may come more than once.
func Each[S, E, P any](event string, split func(E) iter.Seq2[string, P], apply func(S, P) S) Part[S] {
	return part(event, false, func(ctx context.Context, _ *eventlog.Entry, e E, rows rows[S]) error {
		for key, share := range split(e) {
			if err := foldInto(ctx, rows, key, apply, share); err != nil {
				return err
			}
		}
		return nil
	})
}

// foldInto folds an event, or a share of one, into the row of a key. An empty key folds nothing.
func foldInto[S, P any](ctx context.Context, rows rows[S], key string, apply func(S, P) S, share P) error {
	if key == "" {
		return nil
	}
	state, err := rows.change(ctx, key)
	if err == nil && state != nil {
		*state = apply(*state, share)
	}
	return err
}

// part registers a fold of decoded events.
func part[S, E any](event string, entity bool, apply func(context.Context, *eventlog.Entry, E, rows[S]) error) Part[S] {
	return func(m *Model[S]) {
		m.register(event, fold[S]{
			event:  reflect.TypeFor[E](),
			entity: entity,
			decode: func(codec carillon.Codec, entry *eventlog.Entry) error {
				_, err := eventlog.Decode[E](codec, entry)
				return err
			},
			apply: func(ctx context.Context, codec carillon.Codec, entry *eventlog.Entry, rows rows[S]) error {
				e, err := eventlog.Decode[E](codec, entry)
				if err != nil {
					return err
				}
				return apply(ctx, entry, e, rows)
			},
		})
	}
}

// entityKey is the key an event happened to; events appended without one have what follows the first dash of their stream.
func entityKey(event *carillon.Recorded) string {
	if event.Key != "" {
		return event.Key
	}
	_, key, found := strings.Cut(event.Stream, "-")
	if !found {
		return event.Stream
	}
	return key
}

// Name returns the projection's name.
func (m *Model[S]) Name() string { return m.name }

// EventTypes returns the names of the events the projection decodes, by Go type.
func (m *Model[S]) EventTypes() map[reflect.Type]string {
	types := make(map[reflect.Type]string, len(m.folds))
	for name, f := range m.folds {
		if f.event != nil {
			types[f.event] = name
		}
	}
	return types
}

// Describe describes the projection.
func (m *Model[S]) Describe() carillon.Description {
	description := carillon.Description{Kind: "projection", Name: m.name}
	for event := range m.folds {
		description.Accepts = append(description.Accepts, event)
	}
	slices.Sort(description.Accepts)
	return description
}

// Fold folds one decoded event into rows, for tests: rows is what stood before, by key, and is changed. The event carries its
// encoded payload.
func (m *Model[S]) Fold(codec carillon.Codec, rows map[string]S, event carillon.Recorded) error {
	f, ok := m.folds[event.Type]
	if !ok {
		return nil
	}
	changed := folded[S]{before: rows, touched: make(map[string]*S)}
	if err := f.apply(context.Background(), codec, &eventlog.Entry{Recorded: &event}, changed); err != nil {
		return err
	}
	for key, state := range changed.touched {
		if state == nil {
			delete(rows, key)
			continue
		}
		rows[key] = *state
	}
	return nil
}

// folded are the rows of a test that one event touches.
type folded[S any] struct {
	before  map[string]S
	touched map[string]*S // nil for a row that is deleted
}

func (f folded[S]) change(_ context.Context, key string) (*S, error) {
	state, ok := f.touched[key]
	if !ok {
		before := f.before[key]
		state = &before
	}
	if state == nil {
		state = new(S)
	}
	f.touched[key] = state
	return state, nil
}

func (f folded[S]) remove(_ context.Context, key string) error {
	f.touched[key] = nil
	return nil
}
