package jetstream

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

// Unreadable is the type of a delivered message that is no CloudEvent. Its id is made of its stream and its place there, and its
// header "unreadable" says why.
const Unreadable = "carillon.unreadable"

const (
	attributePrefix = "ce-"
	contentType     = "datacontenttype"
	// headerContentType is where others write the content type.
	headerContentType = "content-type"
)

// encoder writes messages in binary mode, each in place of the one before it: the client keeps none that it has sent.
type encoder struct {
	msg    nats.Msg
	values []string // one array for all values
}

func newEncoder() *encoder {
	return &encoder{msg: nats.Msg{Header: make(nats.Header, 16)}, values: make([]string, 0, 16)}
}

// encode writes a message. It is good until the next call.
func (e *encoder) encode(subject string, m *carillon.Message) *nats.Msg {
	clear(e.msg.Header)
	e.values = e.values[:0]
	e.msg.Subject, e.msg.Data = subject, m.Payload
	e.set(nats.MsgIdHdr, cloudevents.Escape(m.ID))
	for name, value := range cloudevents.Attributes(m) {
		e.set(headerName(name), cloudevents.Escape(value))
	}
	return &e.msg
}

func (e *encoder) set(name, value string) {
	e.values = append(e.values, value)
	e.msg.Header[name] = e.values[len(e.values)-1 : len(e.values) : len(e.values)]
}

// encode writes a message in binary mode.
func encode(subject string, m *carillon.Message) *nats.Msg { return newEncoder().encode(subject, m) }

// headerName returns the header of an attribute, without making text for the known ones.
func headerName(attribute string) string {
	switch attribute {
	case "specversion":
		return attributePrefix + "specversion"
	case "id":
		return attributePrefix + "id"
	case "source":
		return attributePrefix + "source"
	case "type":
		return attributePrefix + "type"
	case "time":
		return attributePrefix + "time"
	case "datacontenttype":
		return attributePrefix + "datacontenttype"
	case "kind":
		return attributePrefix + "kind"
	case "partitionkey":
		return attributePrefix + "partitionkey"
	case "correlationid":
		return attributePrefix + "correlationid"
	case "causationid":
		return attributePrefix + "causationid"
	case "traceparent":
		return attributePrefix + "traceparent"
	case "tracestate":
		return attributePrefix + "tracestate"
	default:
		return attributePrefix + attribute
	}
}

// decode reads a message of either mode. It never fails: what cannot be read is an [Unreadable].
func decode(msg *nats.Msg, stream string, sequence uint64) carillon.Message {
	m, err := read(msg)
	if err == nil {
		return m
	}
	m = carillon.Message{
		ID: fmt.Sprintf("%s/%d", stream, sequence), Kind: carillon.KindDocument, Type: Unreadable, SchemaVersion: 1,
		ContentType: "application/octet-stream", Headers: map[string]string{"unreadable": err.Error()}, Payload: msg.Data,
	}
	for name, values := range msg.Header {
		if name != "unreadable" {
			m.Headers[name] = strings.ToValidUTF8(strings.Join(values, ","), "�")
		}
	}
	return m
}

// read reads a message of either mode. Structured mode needs no header.
func read(msg *nats.Msg) (carillon.Message, error) {
	var failed error
	binary := false
	m, err := cloudevents.Message(func(yield func(string, string) bool) {
		for name, values := range msg.Header {
			if len(values) == 0 {
				continue
			}
			attribute, value := attributeOf(name), values[0]
			switch {
			case attribute != "":
				binary = true
				if value, failed = cloudevents.HeaderValue(value); failed != nil {
					failed = carillon.Invalidf(fmt.Sprintf("attribute %q of a CloudEvent", attribute), "%v", failed)
					return
				}
			case strings.EqualFold(name, headerContentType) && msg.Header.Get(attributePrefix+contentType) == "":
				attribute = contentType
			default:
				continue
			}
			if !yield(attribute, value) {
				return
			}
		}
	}, msg.Data)
	switch {
	case failed != nil:
		return carillon.Message{}, failed
	case err != nil && !binary && bytes.HasPrefix(bytes.TrimSpace(msg.Data), []byte("{")):
		return cloudevents.Unmarshal(msg.Data)
	}
	return m, err
}

// attributeOf returns the attribute that a header carries, "" for none. The case of a header's name means nothing.
func attributeOf(name string) string {
	if len(name) <= len(attributePrefix) || !strings.EqualFold(name[:len(attributePrefix)], attributePrefix) {
		return ""
	}
	return strings.ToLower(name[len(attributePrefix):])
}

// sequences reads a message's consumer and its places in the stream and for the consumer from the reply subject that the server gives it:
// $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>, with two more tokens before the
// stream's name in some networks.
func sequences(reply string) (consumer string, sequence, place uint64, ok bool) {
	if !strings.HasPrefix(reply, "$JS.ACK.") {
		return "", 0, 0, false
	}
	tokens := [16]string{}
	n := 0
	for part := range strings.SplitSeq(reply, ".") {
		if n == len(tokens) {
			break
		}
		tokens[n] = part
		n++
	}
	at := 5
	if n >= 11 {
		at = 7
	}
	if n < at+4 {
		return "", 0, 0, false
	}
	return tokens[at-2], number(tokens[at]), number(tokens[at+1]), true
}

func number(digits string) uint64 {
	n := uint64(0)
	for i := range len(digits) {
		n = n*10 + uint64(digits[i]-'0')
	}
	return n
}

// age is how long ago something happened by another clock; never below 0.
func age(then time.Time) time.Duration { return max(0, time.Since(then)) }
