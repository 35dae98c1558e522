package cloudevents

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/carillon-go/carillon"
)

// SpecVersion is the version of the specification that messages are written in.
const SpecVersion = "1.0"

// The headers that are attributes of the specification.
const (
	// HeaderSource names the service a message comes from, as a URI reference.
	HeaderSource = "source"
	// HeaderSubject names what the message is about, within its source.
	HeaderSubject = "subject"
)

// The names of attributes with a meaning.
const (
	specVersion   = "specversion"
	id            = "id"
	typ           = "type"
	timeOf        = "time"
	contentType   = "datacontenttype"
	kind          = "kind"
	key           = "partitionkey"
	schemaVersion = "schemaversion"
	tags          = "tags"
	correlationID = "correlationid"
	causationID   = "causationid"
	tenant        = "tenant"
	traceParent   = "traceparent"
	traceState    = "tracestate"
	headers       = "headers"
)

const (
	defaultSource = "carillon"
	// longestName is how long a name may be that every receiver understands.
	longestName = 20
)

// Attributes yields the attributes of a message, names and values as text, in a fixed order. What is left out has its default.
func Attributes(m *carillon.Message) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		write := func(name, value string) bool { return value == "" || yield(name, value) }
		_ = yield(specVersion, SpecVersion) && yield(id, m.ID) && yield(HeaderSource, source(m)) && yield(typ, m.Type) &&
			write(timeOf, timeText(m.Time)) &&
			yield(contentType, contentTypeOf(m)) &&
			write(kind, kindText(m.Kind)) &&
			write(key, m.Key) &&
			write(schemaVersion, versionText(m.SchemaVersion)) &&
			write(tags, tagsText(m.Tags)) &&
			write(correlationID, m.CorrelationID) && write(causationID, m.CausationID) &&
			write(traceParent, m.TraceParent) && write(traceState, m.TraceState) &&
			write(tenant, m.Tenant) &&
			eachHeader(m.Headers, yield)
	}
}

// eachHeader yields the headers that are attributes, and then the others in one.
func eachHeader(all map[string]string, yield func(string, string) bool) bool {
	if len(all) == 0 {
		return true
	}
	var rest map[string]string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch {
		case name == HeaderSource && all[name] != "" && all[name] != defaultSource:
		case isAttribute(name) && !reserved(name) && all[name] != "":
			if !yield(name, all[name]) {
				return false
			}
		default:
			if rest == nil {
				rest = make(map[string]string)
			}
			rest[name] = all[name]
		}
	}
	if rest == nil {
		return true
	}
	text, err := json.Marshal(rest)
	return err != nil || yield(headers, string(text)) // a map of strings is always written
}

func isAttribute(name string) bool {
	if name == "" || len(name) > longestName {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || 'z' < c) && (c < '0' || '9' < c) {
			return false
		}
	}
	return true
}

func reserved(name string) bool {
	switch name {
	case specVersion, id, typ, timeOf, contentType, kind, key, schemaVersion, tags, correlationID, causationID, tenant, traceParent,
		traceState, headers, HeaderSource, "data":
		return true
	default:
		return false
	}
}

func source(m *carillon.Message) string {
	if s := m.Headers[HeaderSource]; s != "" {
		return s
	}
	return defaultSource
}

func contentTypeOf(m *carillon.Message) string {
	if m.ContentType == "" {
		return carillon.ContentTypeJSON
	}
	return m.ContentType
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func kindText(k carillon.Kind) string {
	if k == carillon.KindEvent {
		return ""
	}
	return k.String()
}

func versionText(version int) string {
	if version <= 1 {
		return ""
	}
	return strconv.Itoa(version)
}

func tagsText(all []carillon.Tag) string {
	if len(all) == 0 {
		return ""
	}
	text, err := json.Marshal(all)
	if err != nil { // a list of strings is always written
		return ""
	}
	return string(text)
}

// Message makes a message of attributes and a payload, which it keeps. What is left out gets its default. An error is a
// [carillon.ErrInvalid] that names the attribute.
func Message(attributes iter.Seq2[string, string], payload []byte) (carillon.Message, error) {
	m := carillon.Message{SchemaVersion: 1, ContentType: carillon.ContentTypeJSON, Payload: payload}
	version, sourced := "", false
	for name, value := range attributes {
		switch name {
		case specVersion:
			version = value
			continue
		case HeaderSource:
			sourced = value != ""
		}
		if err := set(&m, name, value); err != nil {
			return carillon.Message{}, carillon.Invalidf(fmt.Sprintf("attribute %q of a CloudEvent", name), "%v", err)
		}
	}
	switch {
	case version != SpecVersion:
		return carillon.Message{}, carillon.Invalidf("CloudEvent", "specversion is %s, not %q", SpecVersion, version)
	case m.ID == "":
		return carillon.Message{}, carillon.Invalidf("CloudEvent", "it has an id")
	case m.Type == "":
		return carillon.Message{}, carillon.Invalidf("CloudEvent", "it has a type")
	case !sourced:
		return carillon.Message{}, carillon.Invalidf("CloudEvent", "it has a source")
	}
	return m, nil
}

func set(m *carillon.Message, name, value string) (err error) {
	switch name {
	case id:
		m.ID = value
	case typ:
		m.Type = value
	case timeOf:
		m.Time, err = time.Parse(time.RFC3339Nano, value)
		m.Time = m.Time.UTC()
	case contentType:
		m.ContentType = value
	case kind:
		m.Kind, err = kindOf(value)
	case key:
		m.Key = value
	case schemaVersion:
		m.SchemaVersion, err = strconv.Atoi(value)
	case tags:
		err = json.Unmarshal([]byte(value), &m.Tags)
	case correlationID:
		m.CorrelationID = value
	case causationID:
		m.CausationID = value
	case traceParent:
		m.TraceParent = value
	case traceState:
		m.TraceState = value
	case tenant:
		m.Tenant = value
	case headers:
		var rest map[string]string
		err = json.Unmarshal([]byte(value), &rest)
		for name, value := range rest {
			header(m, name, value)
		}
	case HeaderSource:
		if value != defaultSource {
			header(m, name, value)
		}
	default:
		header(m, name, value)
	}
	return err
}

func header(m *carillon.Message, name, value string) {
	if m.Headers == nil {
		m.Headers = make(map[string]string)
	}
	m.Headers[name] = value
}

func kindOf(name string) (carillon.Kind, error) {
	for k := carillon.KindEvent; k <= carillon.KindReply; k++ {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%q is no kind of message", name)
}
