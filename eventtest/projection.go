package eventtest

import (
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
	name   string
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
	return &Folding[S]{t: t, model: model, rows: make(map[string]S), versions: make(map[string]int64)}
}

// Given folds events, in order. An event whose Go type the projection does not fold is reported.
func (f *Folding[S]) Given(events ...Happened) *Folding[S] {
	f.t.Helper()
	for _, event := range events {
		f.fold(event)
	}
	return f
}

func (f *Folding[S]) fold(event Happened) {
	f.t.Helper()
	name, ok := event.name, event.name != ""
	if !ok {
		name, ok = f.model.EventTypes()[reflect.TypeOf(event.Event)]
	}
	if !ok {
		f.t.Errorf("event %T is not one the projection folds", event.Event)
		return
	}
	payload, err := codec.JSON().Encode(event.Event)
	if err != nil {
		f.t.Errorf("event %T does not pass through the codec: %v", event.Event, err)
		return
	}
	f.position++
	recorded := carillon.Recorded{
		Message:  carillon.Message{ID: "test", Type: name, SchemaVersion: 1, ContentType: carillon.ContentTypeJSON, Payload: payload},
		Position: f.position, Stream: event.Stream,
	}
	if event.Stream != "" {
		f.versions[event.Stream]++
		recorded.Version = f.versions[event.Stream]
	}
	again := f.copyOf(f.rows)
	if err := f.model.Fold(codec.JSON(), f.rows, recorded); err != nil {
		f.t.Errorf("fold %T: %v", event.Event, err)
		return
	}
	if err := f.model.Fold(codec.JSON(), again, recorded); err != nil || !same(again, f.rows) {
		f.t.Errorf("the fold of %T is not pure: the second time it came to other rows (%v)\n%s", event.Event, err, difference(again, f.rows))
	}
}

// copyOf copies rows as a store would: through the codec.
func (f *Folding[S]) copyOf(rows map[string]S) map[string]S {
	f.t.Helper()
	copied := make(map[string]S, len(rows))
	for key, state := range rows {
		encoded, err := codec.JSON().Encode(state)
		var stored S
		if err == nil {
			err = codec.JSON().Decode(encoded, &stored)
		}
		if err != nil {
			f.t.Errorf("row %q does not pass through the codec: %v", key, err)
			stored = state
		}
		copied[key] = stored
	}
	return copied
}

// ThenRow expects this row under a key.
func (f *Folding[S]) ThenRow(key string, want S) *Folding[S] {
	f.t.Helper()
	got, ok := f.rows[key]
	switch {
	case !ok:
		f.t.Errorf("there is no row %q", key)
	case !reflect.DeepEqual(got, want):
		f.t.Errorf("row %q is another\n%s", key, difference(got, want))
	}
	return f
}

// ThenNoRow expects no row under a key.
func (f *Folding[S]) ThenNoRow(key string) *Folding[S] {
	f.t.Helper()
	if got, ok := f.rows[key]; ok {
		f.t.Errorf("there is a row %q\n%s", key, difference(got, nil))
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
