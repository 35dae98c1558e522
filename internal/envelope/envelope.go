// Package envelope is the binary form in which adapters store what a message carries beside its id, type, time and payload.
//
// The form is a sequence of fields: one byte that names the field, the length of its value as an unsigned varint, the value.
// Fields stand in ascending order of their numbers, which are never reused:
//
//	1  tag, once for each
//	2  correlation id
//	3  causation id; an empty value means that it equals the correlation id
//	4  key
//	5  tenant
//	6  traceparent
//	7  tracestate
//	8  content type, left out for application/json
//	9  header, once for each, in order of name: the length of the name as a varint, the name, the value
//	10 schema version as a varint, left out for 1
//
// A message with none of these has an empty form. Unknown fields are an error: they come from a newer version, which the
// store's schema version keeps away.
package envelope

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/carillon-go/carillon"
)

const (
	fieldTag = iota + 1
	fieldCorrelation
	fieldCausation
	fieldKey
	fieldTenant
	fieldTraceParent
	fieldTraceState
	fieldContentType
	fieldHeader
	fieldSchemaVersion
)

// Append appends the form of a message's metadata to a buffer.
func Append(buffer []byte, m *carillon.Message) []byte {
	for _, tag := range m.Tags {
		buffer = appendField(buffer, fieldTag, string(tag))
	}
	buffer = appendText(buffer, fieldCorrelation, m.CorrelationID)
	switch m.CausationID {
	case "":
	case m.CorrelationID:
		buffer = appendField(buffer, fieldCausation, "")
	default:
		buffer = appendField(buffer, fieldCausation, m.CausationID)
	}
	buffer = appendText(buffer, fieldKey, m.Key)
	buffer = appendText(buffer, fieldTenant, m.Tenant)
	buffer = appendText(buffer, fieldTraceParent, m.TraceParent)
	buffer = appendText(buffer, fieldTraceState, m.TraceState)
	if m.ContentType != carillon.ContentTypeJSON {
		buffer = appendText(buffer, fieldContentType, m.ContentType)
	}
	if len(m.Headers) > 0 {
		for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
			value := binary.AppendUvarint(nil, uint64(len(name)))
			value = append(append(value, name...), m.Headers[name]...)
			buffer = appendField(buffer, fieldHeader, string(value))
		}
	}
	if m.SchemaVersion > 1 {
		buffer = appendField(buffer, fieldSchemaVersion, string(binary.AppendUvarint(nil, uint64(m.SchemaVersion))))
	}
	return buffer
}

func appendText(buffer []byte, field byte, value string) []byte {
	if value == "" {
		return buffer
	}
	return appendField(buffer, field, value)
}

func appendField(buffer []byte, field byte, value string) []byte {
	buffer = append(buffer, field)
	buffer = binary.AppendUvarint(buffer, uint64(len(value)))
	return append(buffer, value...)
}

// Parse fills in a message's metadata from its form; what the form leaves out gets its default. The strings it sets share the
// form's memory. An error wraps [carillon.ErrCorrupt].
func Parse(form string, m *carillon.Message) error {
	m.ContentType = carillon.ContentTypeJSON
	m.SchemaVersion = 1
	for last := byte(0); form != ""; {
		field := form[0]
		value, rest, ok := cut(form[1:])
		repeated := field == last && (field == fieldTag || field == fieldHeader)
		if !ok || field < last || field == last && !repeated {
			return fmt.Errorf("metadata field %d is cut short or out of order: %w", field, carillon.ErrCorrupt)
		}
		if !set(m, field, value) {
			return fmt.Errorf("metadata field %d cannot be read: %w", field, carillon.ErrCorrupt)
		}
		form, last = rest, field
	}
	return nil
}

// cut splits a text behind its length prefix.
func cut(form string) (value, rest string, ok bool) {
	length, size := uvarint(form)
	if size <= 0 || length > uint64(len(form)-size) {
		return "", "", false
	}
	return form[size : size+int(length)], form[size+int(length):], true
}

// uvarint is binary.Uvarint on a string.
func uvarint(form string) (value uint64, size int) {
	var prefix [binary.MaxVarintLen64]byte
	return binary.Uvarint(prefix[:copy(prefix[:], form)])
}

func set(m *carillon.Message, field byte, value string) bool {
	if value == "" && field != fieldCausation {
		return false
	}
	switch field {
	case fieldTag:
		m.Tags = append(m.Tags, carillon.Tag(value))
	case fieldCorrelation:
		m.CorrelationID = value
	case fieldCausation:
		m.CausationID = value
		if value == "" {
			m.CausationID = m.CorrelationID
		}
	case fieldKey:
		m.Key = value
	case fieldTenant:
		m.Tenant = value
	case fieldTraceParent:
		m.TraceParent = value
	case fieldTraceState:
		m.TraceState = value
	case fieldContentType:
		m.ContentType = value
	case fieldHeader:
		name, text, ok := cut(value)
		if !ok {
			return false
		}
		if m.Headers == nil {
			m.Headers = make(map[string]string)
		}
		m.Headers[name] = text
	case fieldSchemaVersion:
		version, size := uvarint(value)
		if size != len(value) || version < 2 || version > 1<<31 {
			return false
		}
		m.SchemaVersion = int(version)
	default:
		return false
	}
	return true
}
