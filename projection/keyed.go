package projection

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// Model is the definition of a keyed read model whose rows are of type S.
type Model[S any] struct {
	name  string
	folds map[string]fold[S]
	err   error
}

// fold is what one event type does to which rows.
type fold[S any] struct {
	// event is the Go type of the events, nil when the fold does not decode them.
	event reflect.Type
	// decode decodes the event; it may run ahead of the fold on another goroutine.
	decode func(carillon.Codec, *eventlog.Entry) error
	// each yields the rows the event touches and what becomes of them.
	each func(carillon.Codec, *eventlog.Entry) (iter.Seq2[string, change[S]], error)
	// entity says that rows are keyed by the entity of the event's stream.
	entity bool
}

// change turns a row's state into its next one; keep is false when the row goes.
type change[S any] func(S) (next S, keep bool)

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
	return part(event, true, func(entry *eventlog.Entry, e E) iter.Seq2[string, change[S]] {
		return one(entityKey(entry.Recorded), func(state S) (S, bool) { return apply(state, e), true })
	})
}

// Remove deletes the row of the entity the events happened to, whatever they say.
func Remove[S any](event string) Part[S] {
	return func(m *Model[S]) {
		m.register(event, fold[S]{
			entity: true,
			decode: func(carillon.Codec, *eventlog.Entry) error { return nil },
			each: func(_ carillon.Codec, entry *eventlog.Entry) (iter.Seq2[string, change[S]], error) {
				return one(entityKey(entry.Recorded), func(state S) (S, bool) { return state, false }), nil
			},
		})
	}
}

// By folds events into the row of a key that the event gives. An empty key folds nothing.
func By[S, E any](event string, key func(E) string, apply func(S, E) S) Part[S] {
	return part(event, false, func(_ *eventlog.Entry, e E) iter.Seq2[string, change[S]] {
		return one(key(e), func(state S) (S, bool) { return apply(state, e), true })
	})
}

// Each folds one event into several rows: split yields keys and what belongs to each. A key may come more than once.
func Each[S, E, P any](event string, split func(E) iter.Seq2[string, P], apply func(S, P) S) Part[S] {
	return part(event, false, func(_ *eventlog.Entry, e E) iter.Seq2[string, change[S]] {
		return func(yield func(string, change[S]) bool) {
			for key, share := range split(e) {
				if !yield(key, func(state S) (S, bool) { return apply(state, share), true }) {
					return
				}
			}
		}
	})
}

// part registers a fold of decoded events.
func part[S, E any](event string, entity bool, touch func(*eventlog.Entry, E) iter.Seq2[string, change[S]]) Part[S] {
	return func(m *Model[S]) {
		m.register(event, fold[S]{
			event:  reflect.TypeFor[E](),
			entity: entity,
			decode: func(codec carillon.Codec, entry *eventlog.Entry) error {
				_, err := eventlog.Decode[E](codec, entry)
				return err
			},
			each: func(codec carillon.Codec, entry *eventlog.Entry) (iter.Seq2[string, change[S]], error) {
				e, err := eventlog.Decode[E](codec, entry)
				if err != nil {
					return nil, err
				}
				return touch(entry, e), nil
			},
		})
	}
}

func one[S any](key string, apply change[S]) iter.Seq2[string, change[S]] {
	return func(yield func(string, change[S]) bool) { yield(key, apply) }
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
	touched, err := f.each(codec, &eventlog.Entry{Recorded: &event})
	if err != nil {
		return err
	}
	for key, apply := range touched {
		if key == "" {
			continue
		}
		if next, keep := apply(rows[key]); keep {
			rows[key] = next
		} else {
			delete(rows, key)
		}
	}
	return nil
}
