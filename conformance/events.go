package conformance

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
)

// event makes an event that no other has the id of.
func (s *subject) event(typ string, tags ...carillon.Tag) carillon.Message {
	serial := s.serial.Add(1)
	return carillon.Message{
		ID:            fmt.Sprintf("event-%d", serial),
		Type:          typ,
		SchemaVersion: 1,
		Tags:          tags,
		Time:          time.UnixMicro(1_700_000_000_000_000 + serial).UTC(),
		ContentType:   carillon.ContentTypeJSON,
		Payload:       fmt.Appendf(nil, `{"serial":%d}`, serial),
	}
}

// events makes a number of events.
func (s *subject) events(count int, typ string, tags ...carillon.Tag) []carillon.Message {
	events := make([]carillon.Message, count)
	for i := range events {
		events[i] = s.event(typ, tags...)
	}
	return events
}

// to makes an append to a stream.
func to(stream string, expect carillon.Expect, events ...carillon.Message) carillon.Append {
	return carillon.Append{Stream: stream, Expect: expect, Events: events}
}

// loose makes an append of events without a stream.
func loose(events ...carillon.Message) carillon.Append { return carillon.Append{Events: events} }

// unless adds a condition to an append.
func unless(a carillon.Append, query carillon.Query, after carillon.Position) carillon.Append {
	a.Condition = &carillon.Condition{Query: query, After: after}
	return a
}

// once adds a command id to an append, and a digest filled with one byte.
func once(a carillon.Append, id string, digest byte) carillon.Append {
	guard := carillon.CommandGuard{ID: id}
	for i := range guard.Digest {
		guard.Digest[i] = digest
	}
	a.Command = &guard
	return a
}

// sameEvents compares what a log returned with what was appended.
func sameEvents(got, want []carillon.Recorded) error {
	for i := range min(len(got), len(want)) {
		if err := sameEvent(&got[i], &want[i]); err != nil {
			return fmt.Errorf("position %d (event %q): %w", want[i].Position, want[i].ID, err)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d events, want %d", len(got), len(want))
	}
	return nil
}

func sameEvent(got, want *carillon.Recorded) error {
	if got.Position != want.Position || got.Stream != want.Stream || got.Version != want.Version {
		return fmt.Errorf("stands at position %d, stream %q, version %d; want %d, %q, %d",
			got.Position, got.Stream, got.Version, want.Position, want.Stream, want.Version)
	}
	return sameMessage(&got.Message, &want.Message)
}

// sameMessage compares every field that travels. Absent and empty payloads, tags and headers are the same, and a schema
// version or content type left out may come back as what it stands for.
func sameMessage(got, want *carillon.Message) error {
	switch {
	case got.ID != want.ID:
		return unlike("id", got.ID, want.ID)
	case got.Kind != want.Kind:
		return unlike("kind", got.Kind, want.Kind)
	case got.Type != want.Type:
		return unlike("type", got.Type, want.Type)
	case max(got.SchemaVersion, 1) != max(want.SchemaVersion, 1):
		return unlike("schema version", got.SchemaVersion, want.SchemaVersion)
	case got.Key != want.Key:
		return unlike("key", got.Key, want.Key)
	case !slices.Equal(got.Tags, want.Tags):
		return unlike("tags", got.Tags, want.Tags)
	case !got.Time.Equal(want.Time):
		return unlike("time", got.Time.Format(time.RFC3339Nano), want.Time.Format(time.RFC3339Nano))
	case got.Time.Location() != time.UTC:
		return unlike("location of the time", got.Time.Location().String(), "UTC")
	case got.CorrelationID != want.CorrelationID:
		return unlike("correlation id", got.CorrelationID, want.CorrelationID)
	case got.CausationID != want.CausationID:
		return unlike("causation id", got.CausationID, want.CausationID)
	case got.TraceParent != want.TraceParent:
		return unlike("trace parent", got.TraceParent, want.TraceParent)
	case got.TraceState != want.TraceState:
		return unlike("trace state", got.TraceState, want.TraceState)
	case got.Tenant != want.Tenant:
		return unlike("tenant", got.Tenant, want.Tenant)
	case contentType(got) != contentType(want):
		return unlike("content type", contentType(got), contentType(want))
	case !maps.Equal(got.Headers, want.Headers):
		return unlike("headers", got.Headers, want.Headers)
	case got.Value != nil:
		return unlike("decoded value", got.Value, nil)
	default:
		return samePayload(got.Payload, want.Payload)
	}
}

func unlike(field string, got, want any) error {
	return fmt.Errorf("%s is %s, want %s", field, clip(fmt.Sprintf("%#v", got)), clip(fmt.Sprintf("%#v", want)))
}

func contentType(m *carillon.Message) string {
	if m.ContentType == "" {
		return carillon.ContentTypeJSON
	}
	return m.ContentType
}

func samePayload(got, want []byte) error {
	switch {
	case bytes.Equal(got, want):
		return nil
	case len(got) != len(want):
		return fmt.Errorf("payload has %d bytes, want %d", len(got), len(want))
	default:
		at := 0
		for got[at] == want[at] {
			at++
		}
		return fmt.Errorf("payload differs at byte %d of %d", at, len(want))
	}
}
