package eventtest

import (
	"fmt"
	"maps"
	"reflect"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

// Happened is an event with the stream it happened in.
type Happened struct {
	Stream string
	Event  carillon.Event
	// Key is the event's key, which an aggregate gives it; empty for what follows the first dash of the stream's name.
	Key  string
	name string
}

// At puts an event into a stream; an empty one for an event found by tags alone.
func At(stream string, event carillon.Event) Happened { return Happened{Stream: stream, Event: event} }

// As names the event's type. It is needed only where the projection does not know the Go type, as with [projection.Remove].
func (h Happened) As(name string) Happened {
	h.name = name
	return h
}

// Folding is a keyed projection under test: the rows so far.
type Folding[S any] struct {
	t        testing.TB
	model    *projection.Model[S]
	rows     map[string]S
	position carillon.Position
	versions map[string]int64
}

// Projection begins a test of a keyed projection without rows.
func Projection[S any](t testing.TB, model *projection.Model[S]) *Folding[S] {
	t.Helper()
	if err := projection.NewEngine(nil, nil).Add(model); err != nil {
		t.Errorf("the projection is not sound: %v", err)
	}
	return &Folding[S]{t: t, model: model, rows: make(map[string]S), versions: make(map[string]int64)}
}

// Given folds events, in order. An event whose Go type the projection does not fold is reported.
func (f *Folding[S]) Given(events ...Happened) *Folding[S] {
	f.t.Helper()
	for _, event := range events {
		f.happen(event)
	}
	return f
}

func (f *Folding[S]) happen(h Happened) {
	f.t.Helper()
	name, ok := h.name, h.name != ""
	if !ok {
		name, ok = f.model.EventTypes()[reflect.TypeOf(h.Event)]
	}
	if !ok {
		f.t.Errorf("event %T is not one the projection folds", h.Event)
		return
	}
	message, _, err := recorded(name, h.Event)
	if err == nil && h.Stream != "" {
		err = carillon.CheckStream(h.Stream)
	}
	if err != nil {
		f.t.Errorf("event %T: %v", h.Event, err)
		return
	}
	f.position++
	message.Key = h.Key
	event := carillon.Recorded{Message: message, Position: f.position, Stream: h.Stream}
	if h.Stream != "" {
		f.versions[h.Stream]++
		event.Version = f.versions[h.Stream]
	}
	next, err := f.fold(event, h.Event)
	if err != nil {
		f.t.Errorf("%v", err)
		return
	}
	f.rows = next
}

// fold folds an event into the rows twice, looks for what a fold must not do, and returns the rows as a store gives them back.
func (f *Folding[S]) fold(event carillon.Recorded, value carillon.Event) (map[string]S, error) {
	before := text(f.rows)
	watched := &watching{Codec: codec.JSON()}
	first, second := copied(f.rows), copied(f.rows)
	if err := f.model.Fold(watched, first, event); err != nil {
		return nil, fmt.Errorf("fold %T: %w", value, err)
	}
	if after := text(f.rows); after != before {
		return nil, fmt.Errorf("the fold of %T is not pure: it changed the state it was given\n%s", value, lines(before, after))
	}
	if change := watched.change(); change != "" {
		return nil, fmt.Errorf("the fold of %T is not pure: other projections share the event, and it changed it\n%s", value, change)
	}
	once := text(first)
	if err := f.model.Fold(codec.JSON(), second, event); err != nil {
		return nil, fmt.Errorf("fold %T the second time: %w", value, err)
	}
	if twice := text(second); twice != once {
		return nil, fmt.Errorf("the fold of %T is not pure: the second time it came to other rows\n%s", value, lines(once, twice))
	}
	for key, state := range first {
		stored, err := passed(state)
		if err != nil {
			return nil, fmt.Errorf("row %q does not pass through the codec: %w", key, err)
		}
		first[key] = stored
	}
	return first, nil
}

// copied is a map of its own over the same states.
func copied[S any](rows map[string]S) map[string]S {
	own := make(map[string]S, len(rows))
	maps.Copy(own, rows)
	return own
}

// ThenRow expects this row under a key.
func (f *Folding[S]) ThenRow(key string, want S) *Folding[S] {
	f.t.Helper()
	got, ok := f.rows[key]
	switch {
	case !ok:
		f.t.Errorf("there is no row %q", key)
	case !same(got, want):
		f.t.Errorf("row %q is another\n%s", key, difference(got, want))
	}
	return f
}

// ThenNoRow expects no row under a key.
func (f *Folding[S]) ThenNoRow(key string) *Folding[S] {
	f.t.Helper()
	if got, ok := f.rows[key]; ok {
		f.t.Errorf("there is a row %q\n%s", key, text(got))
	}
	return f
}

// ThenRows expects exactly these rows.
func (f *Folding[S]) ThenRows(want map[string]S) *Folding[S] {
	f.t.Helper()
	if !same(f.rows, want) {
		f.t.Errorf("the rows are others\n%s", difference(f.rows, want))
	}
	return f
}
