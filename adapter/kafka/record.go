package kafka

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

// TypeUnreadable is the type of the document that stands for a record that is no CloudEvent. Its payload is the record's value, its id
// the record's place, its header "unreadable" says why, and the record's headers are kept as far as they are text.
const TypeUnreadable = "carillon.unreadable"

// HeaderUnreadable says why a record is no CloudEvent.
const HeaderUnreadable = "unreadable"

// The names of headers in binary mode.
const (
	attributePrefix   = "ce_"
	contentTypeHeader = "content-type"
	contentTypeOf     = "datacontenttype"
)

// encoder writes the headers of many messages into few pieces of memory.
type encoder struct {
	text    []byte
	headers []kgo.RecordHeader
}

func newEncoder(messages int) *encoder {
	messages = min(messages, 64)
	return &encoder{text: make([]byte, 0, 256*messages), headers: make([]kgo.RecordHeader, 0, 10*messages)}
}

// write writes a message as a record without a place.
func (e *encoder) write(record *kgo.Record, m *carillon.Message) {
	first := len(e.headers)
	for name, value := range cloudevents.Attributes(m) {
		e.headers = append(e.headers, kgo.RecordHeader{Key: headerName(name), Value: e.keep(value)})
	}
	// what was moved when the slice grew stays valid, for nobody writes what stands before its length
	record.Headers = e.headers[first:len(e.headers):len(e.headers)]
	record.Value = m.Payload
	if record.Value == nil {
		record.Value = []byte{} // a record without a value deletes
	}
	if m.Key != "" {
		record.Key = e.keep(m.Key)
	}
}

// keep copies text into the encoder's memory.
func (e *encoder) keep(text string) []byte {
	if cap(e.text)-len(e.text) < len(text) {
		e.text = make([]byte, 0, max(4<<10, 2*len(text)))
	}
	first := len(e.text)
	e.text = append(e.text, text...)
	return e.text[first:len(e.text):len(e.text)]
}

// headerName returns the header of an attribute, without making text for the known ones.
func headerName(attribute string) string {
	switch attribute {
	case contentTypeOf:
		return contentTypeHeader
	case "specversion":
		return "ce_specversion"
	case "id":
		return "ce_id"
	case "source":
		return "ce_source"
	case "type":
		return "ce_type"
	case "time":
		return "ce_time"
	case "kind":
		return "ce_kind"
	case "partitionkey":
		return "ce_partitionkey"
	case "correlationid":
		return "ce_correlationid"
	case "causationid":
		return "ce_causationid"
	case "traceparent":
		return "ce_traceparent"
	case "headers":
		return "ce_headers"
	default:
		return attributePrefix + attribute
	}
}

// decode reads a record as a message. Its payload is the record's value.
func decode(record *kgo.Record) carillon.Message {
	m, err := read(record)
	if err != nil {
		return unreadable(record, err)
	}
	if m.Key == "" && utf8.Valid(record.Key) {
		m.Key = string(record.Key)
	}
	return m
}

var errNoEvent = errors.New("it has neither the header ce_specversion nor the content type " + cloudevents.ContentType)

func read(record *kgo.Record) (carillon.Message, error) {
	binary, others := false, false
	for i := range record.Headers {
		switch header := &record.Headers[i]; {
		case header.Key == "ce_specversion":
			binary = true
		case header.Key == contentTypeHeader:
			if strings.HasPrefix(string(header.Value), cloudevents.ContentType) {
				return cloudevents.Unmarshal(record.Value)
			}
		case !strings.HasPrefix(header.Key, attributePrefix):
			others = true
		}
	}
	if !binary {
		return carillon.Message{}, errNoEvent
	}
	m, err := cloudevents.Message(attributes(record), slices.Clip(record.Value))
	if err == nil && others {
		keepOthers(&m, record)
	}
	return m, err
}

// keepOthers makes headers of a record's headers that are no attributes, where they are text and no attribute has the name.
func keepOthers(m *carillon.Message, record *kgo.Record) {
	for _, header := range record.Headers {
		attribute := header.Key == contentTypeHeader || strings.HasPrefix(header.Key, attributePrefix)
		if _, there := m.Headers[header.Key]; there || attribute || header.Key == "" || !utf8.ValidString(header.Key) || !utf8.Valid(header.Value) {
			continue
		}
		if m.Headers == nil {
			m.Headers = make(map[string]string)
		}
		m.Headers[header.Key] = string(header.Value)
	}
}

// attributes yields the attributes of a record in binary mode. All values share one piece of memory.
func attributes(record *kgo.Record) iter.Seq2[string, string] {
	size := 0
	for i := range record.Headers {
		size += len(record.Headers[i].Value)
	}
	var text strings.Builder
	text.Grow(size)
	for i := range record.Headers {
		text.Write(record.Headers[i].Value)
	}
	values := text.String()
	return func(yield func(string, string) bool) {
		first := 0
		for i := range record.Headers {
			name, isAttribute := strings.CutPrefix(record.Headers[i].Key, attributePrefix)
			value := values[first : first+len(record.Headers[i].Value)]
			first += len(value)
			switch {
			case isAttribute:
			case name == contentTypeHeader:
				name = contentTypeOf
			default:
				continue
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// unreadable makes a document of a record that is no CloudEvent.
func unreadable(record *kgo.Record, why error) carillon.Message {
	m := carillon.Message{
		ID: fmt.Sprintf("%s/%d/%d", record.Topic, record.Partition, record.Offset), Kind: carillon.KindDocument, Type: TypeUnreadable,
		SchemaVersion: 1, ContentType: "application/octet-stream", Time: record.Timestamp.UTC(), Payload: slices.Clip(record.Value),
		Headers: make(map[string]string),
	}
	if utf8.Valid(record.Key) && len(record.Key) <= carillon.MaxName {
		m.Key = string(record.Key)
	}
	for _, header := range record.Headers {
		if header.Key != "" && utf8.ValidString(header.Key) && utf8.Valid(header.Value) {
			m.Headers[header.Key] = string(header.Value)
		}
	}
	m.Headers[HeaderUnreadable] = why.Error()
	return m
}
