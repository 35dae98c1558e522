package redisstream

import (
	"encoding/json"
	"iter"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

// The fields of an entry.
const (
	// attributesField holds the attributes of a CloudEvent, a line "name:value" for each. In a value, percent and control characters
	// are written as percent and two digits.
	attributesField = "attributes"
	// payloadField holds the payload. CloudEvents keep the name free.
	payloadField = "data"
)

// encode writes a message as the fields and values of an entry.
func encode(m *carillon.Message) []any {
	lines := make([]byte, 0, 384)
	for name, value := range cloudevents.Attributes(m) {
		lines = append(append(lines, name...), ':')
		lines = append(appendEscaped(lines, value), '\n')
	}
	return []any{attributesField, lines, payloadField, m.Payload}
}

func appendEscaped(to []byte, value string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '%' {
			to = append(to, '%', digits[c>>4], digits[c&15])
		} else {
			to = append(to, c)
		}
	}
	return to
}

// attributes yields the attributes of an entry: those in one field, and as others may write them, a field for each.
func attributes(values map[string]any) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		lines, _ := values[attributesField].(string)
		for lines != "" {
			line, rest, _ := strings.Cut(lines, "\n")
			name, value, _ := strings.Cut(line, ":")
			if !yield(name, cloudevents.Unescape(value)) {
				return
			}
			lines = rest
		}
		if len(values) == 2 && values[attributesField] != nil {
			return // the other is the payload
		}
		for name, value := range values {
			if text, ok := value.(string); ok && name != attributesField && name != payloadField && !yield(name, text) {
				return
			}
		}
	}
}

// decode reads an entry of a stream. What is no CloudEvent comes as it is, with the reason.
func decode(stream string, entry *redis.XMessage) carillon.Message {
	data, _ := entry.Values[payloadField].(string)
	m, err := cloudevents.Message(attributes(entry.Values), []byte(data))
	if err == nil {
		return m
	}
	m = carillon.Message{
		ID: stream + "/" + entry.ID, Kind: carillon.KindDocument, Type: "carillon.unreadable", SchemaVersion: 1,
		ContentType: "application/octet-stream", Headers: map[string]string{"unreadable": err.Error()}, Payload: []byte(data),
	}
	if _, ok := entry.Values[payloadField]; !ok { // all there is
		m.ContentType = carillon.ContentTypeJSON
		m.Payload, _ = json.Marshal(entry.Values) // texts by name can be written
	} else {
		for name, value := range attributes(entry.Values) {
			if name != "unreadable" {
				m.Headers[name] = value
			}
		}
	}
	return m
}
