package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillon-go/carillon"
)

// eventObject is an event as --json prints it.
type eventObject struct {
	Position      carillon.Position `json:"position"`
	Stream        string            `json:"stream,omitempty"`
	Version       int64             `json:"version,omitempty"`
	Type          string            `json:"type"`
	SchemaVersion int               `json:"schema_version"`
	ID            string            `json:"id"`
	Key           string            `json:"key,omitempty"`
	Time          time.Time         `json:"time"`
	Tags          []carillon.Tag    `json:"tags"`
	CorrelationID string            `json:"correlation_id,omitempty"`
	CausationID   string            `json:"causation_id,omitempty"`
	TraceParent   string            `json:"trace_parent,omitempty"`
	TraceState    string            `json:"trace_state,omitempty"`
	Tenant        string            `json:"tenant,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	ContentType   string            `json:"content_type"`
	// One of the next two holds the payload: the first when it is JSON.
	Payload       json.RawMessage `json:"payload,omitzero"`
	PayloadBase64 []byte          `json:"payload_base64,omitzero"`
}

func newEventObject(event *carillon.Recorded) eventObject {
	object := eventObject{
		Position: event.Position, Stream: event.Stream, Version: event.Version,
		Type: event.Type, SchemaVersion: event.SchemaVersion, ID: event.ID, Key: event.Key, Time: event.Time,
		Tags: event.Tags, CorrelationID: event.CorrelationID, CausationID: event.CausationID,
		TraceParent: event.TraceParent, TraceState: event.TraceState, Tenant: event.Tenant, Headers: event.Headers,
		ContentType: event.ContentType,
	}
	if object.Tags == nil {
		object.Tags = []carillon.Tag{}
	}
	if object.ContentType == "" {
		object.ContentType = carillon.ContentTypeJSON
	}
	if isJSON(object.ContentType) && validJSON(event.Payload) {
		object.Payload = event.Payload
	} else {
		object.PayloadBase64 = append([]byte{}, event.Payload...)
	}
	return object
}

// isJSON reports whether a content type is JSON or built on it.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == carillon.ContentTypeJSON || media == "text/json" || strings.HasSuffix(media, "+json"))
}

func validJSON(payload []byte) bool { return json.Valid(payload) && utf8.Valid(payload) }

// eventPrinter prints events one to a line.
type eventPrinter struct {
	out  *printer
	json bool
}

// maxShown is how many bytes of a payload a line for people shows.
const maxShown = 300

func (p *eventPrinter) print(events []carillon.Recorded) error {
	for i := range events {
		if p.json {
			if err := p.out.object(newEventObject(&events[i])); err != nil {
				return err
			}
			continue
		}
		p.out.printf("%s\n", eventLine(&events[i]))
	}
	return p.out.failure()
}

// eventLine is an event as people read it: position, time, stream and version, type, tags, payload.
func eventLine(event *carillon.Recorded) string {
	parts := []string{fmt.Sprintf("%8d", event.Position), event.Time.UTC().Format("2006-01-02T15:04:05.000000Z")}
	if event.Stream != "" {
		parts = append(parts, fmt.Sprintf("%s@%d", event.Stream, event.Version))
	}
	parts = append(parts, event.Type)
	for _, tag := range event.Tags {
		parts = append(parts, "["+string(tag)+"]")
	}
	if shown := shownPayload(event.Payload); shown != "" {
		parts = append(parts, shown)
	}
	return printable(strings.Join(parts, "  "))
}

// shownPayload is the beginning of a payload, JSON without its spaces.
func shownPayload(payload []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, payload) == nil {
		payload = compact.Bytes()
	}
	if len(payload) <= maxShown {
		return string(payload)
	}
	end := maxShown
	for end > maxShown-utf8.UTFMax && !utf8.RuneStart(payload[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d bytes)", payload[:end], len(payload))
}
