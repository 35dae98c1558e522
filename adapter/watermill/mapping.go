package watermill

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/internal/ids"
)

const (
	// TypePlain is the type of a message that is no CloudEvent, as [Plain] reads it.
	TypePlain = "watermill.message"
	// TypeUnreadable is the type of the document that stands for a message that cannot be one of Carillon. Its header "unreadable" says
	// why.
	TypeUnreadable = "carillon.unreadable"
	// HeaderUnreadable says why a message cannot be one of Carillon.
	HeaderUnreadable = "unreadable"
	// MetadataKey is the entry of the metadata that holds a message's key, which order is kept per.
	MetadataKey = attributePrefix + "partitionkey"
)

const (
	attributePrefix = "ce_"
	specVersion     = attributePrefix + "specversion"
	contentType     = "content-type"
	contentTypeOf   = "datacontenttype"
	binary          = "application/octet-stream"
	// longestUUID is how long a message's UUID may be that every Pub/Sub takes.
	longestUUID = 36
)

// Mapping makes a message of Carillon of one of watermill that is no CloudEvent. It is given the name of the topic. What it returns shares
// the payload.
type Mapping func(topic string, m *message.Message) (carillon.Message, error)

// Plain is the default [Mapping]. It makes a document of type [TypePlain]: the UUID is its id, the metadata are its headers, but for
// [MetadataKey], which is its key. A message without a UUID is given an id, another one each time it is read.
func Plain(_ string, m *message.Message) (carillon.Message, error) {
	plain := carillon.Message{
		ID: m.UUID, Kind: carillon.KindDocument, Type: TypePlain, SchemaVersion: 1, Key: m.Metadata[MetadataKey], ContentType: binary,
		Payload: m.Payload,
	}
	if plain.ID == "" {
		plain.ID = ids.New()
	}
	if len(m.Metadata) > 0 {
		plain.Headers = maps.Clone(map[string]string(m.Metadata))
		delete(plain.Headers, MetadataKey)
	}
	return plain, nil
}

// isPlain reports whether [Plain] reads the message again when its headers are written as metadata.
func isPlain(m *carillon.Message) bool {
	_, keyed := m.Headers[MetadataKey]
	return m.Type == TypePlain && m.Kind == carillon.KindDocument && m.SchemaVersion <= 1 && len(m.Tags) == 0 && m.Time.IsZero() &&
		m.CorrelationID == "" && m.CausationID == "" && m.TraceParent == "" && m.TraceState == "" && m.Tenant == "" &&
		m.ContentType == binary && m.Headers[specVersion] == "" && !keyed
}

// encode writes a message as one of watermill, which shares the payload.
func encode(m *carillon.Message) *message.Message {
	if !isPlain(m) {
		return asEvent(m)
	}
	out := message.NewMessage(m.ID, m.Payload)
	maps.Copy(out.Metadata, m.Headers)
	if m.Key != "" {
		out.Metadata[MetadataKey] = m.Key
	}
	return out
}

// encodeShort writes a message with a UUID that every Pub/Sub takes.
func encodeShort(m *carillon.Message) *message.Message {
	if len(m.ID) <= longestUUID {
		return encode(m)
	}
	out := asEvent(m)
	out.UUID = digest(m.ID)
	return out
}

// asEvent writes a message as a CloudEvent.
func asEvent(m *carillon.Message) *message.Message {
	out := message.NewMessage(m.ID, m.Payload)
	for name, value := range cloudevents.Attributes(m) {
		if name == contentTypeOf {
			out.Metadata[contentType] = value
		} else {
			out.Metadata[attributePrefix+name] = cloudevents.EscapeFunc(value, escaped)
		}
	}
	return out
}

// digest makes a text of the form of a UUID of an id.
func digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// escaped are percent and control characters.
func escaped(c byte) bool { return c < ' ' || c == 0x7f || c == '%' }

// decode reads a message of watermill, whose payload it shares. It is valid but for its payload's size.
func decode(topic string, in *message.Message, mapping Mapping) (carillon.Message, error) {
	var m carillon.Message
	var err error
	if in.Metadata[specVersion] == "" {
		m, err = mapping(topic, in)
	} else {
		m, err = cloudevents.Message(attributes(in.Metadata), in.Payload)
		for name, value := range in.Metadata { // such as middleware adds
			if name == contentType || strings.HasPrefix(name, attributePrefix) {
				continue
			}
			if m.Headers == nil {
				m.Headers = make(map[string]string)
			}
			if _, there := m.Headers[name]; !there {
				m.Headers[name] = value
			}
		}
	}
	if err != nil {
		return carillon.Message{}, err
	}
	return m, m.CheckPublished(max(len(m.Payload), carillon.MaxPayload))
}

// attributes yields the attributes that metadata hold.
func attributes(metadata message.Metadata) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, value := range metadata {
			attribute, ok := strings.CutPrefix(name, attributePrefix)
			switch {
			case ok:
				value = cloudevents.Unescape(value)
			case name == contentType:
				attribute = contentTypeOf
			default:
				continue
			}
			if !yield(attribute, value) {
				return
			}
		}
	}
}

// unreadable stands for a message that cannot be one of Carillon, with the metadata that can be headers.
func unreadable(in *message.Message, reason error) carillon.Message {
	m := carillon.Message{
		ID: in.UUID, Kind: carillon.KindDocument, Type: TypeUnreadable, SchemaVersion: 1, ContentType: binary,
		Headers: map[string]string{HeaderUnreadable: reason.Error()}, Payload: in.Payload,
	}
	if carillon.CheckID(m.ID) != nil {
		m.ID = ids.New()
	}
	for _, name := range slices.Sorted(maps.Keys(in.Metadata)) {
		if name == HeaderUnreadable {
			continue
		}
		m.Headers[name] = in.Metadata[name]
		if m.CheckPublished(max(len(m.Payload), carillon.MaxPayload)) != nil {
			delete(m.Headers, name)
		}
	}
	return m
}
