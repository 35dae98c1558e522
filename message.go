package carillon

import (
	"fmt"
	"time"
)

// Kind says what a message means to its receiver.
type Kind uint8

// The kinds. A command may be rejected, an event is a fact, a query asks and changes nothing, a document is data without
// intent, and a reply answers a command or a query.
const (
	KindEvent Kind = iota
	KindCommand
	KindQuery
	KindDocument
	KindReply
)

// String gives the kind's name as it stands in headers, descriptions and logs.
func (k Kind) String() string {
	switch k {
	case KindEvent:
		return "event"
	case KindCommand:
		return "command"
	case KindQuery:
		return "query"
	case KindDocument:
		return "document"
	case KindReply:
		return "reply"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// Message is the envelope every part of Carillon passes on. Its attributes map one to one to CloudEvents 1.0.
//
// A message is not safe for concurrent change; once handed over (appended, dispatched, published) it belongs to nobody and
// nobody changes it.
type Message struct {
	// ID names this message and no other. Engines give a UUIDv7 where it is empty.
	ID   string
	Kind Kind
	// Type is the stable registered name of the payload, such as "order.placed"; never a Go type name.
	Type string
	// SchemaVersion is the version of the payload's shape under Type. 0 reads as 1.
	SchemaVersion int
	// Key is what order is kept per.
	Key  string
	Tags []Tag
	// Time is when the message came to be, in UTC, kept to the microsecond.
	Time time.Time
	// CorrelationID is shared by all messages of one conversation; CausationID is the id of the message that caused this one.
	CorrelationID string
	CausationID   string
	// TraceParent and TraceState carry W3C trace context.
	TraceParent string
	TraceState  string
	Tenant      string
	// ContentType is the media type of Payload. Empty reads as application/json.
	ContentType string
	Headers     map[string]string
	// Payload is the encoded value. It is at most [MaxPayload] bytes by default.
	Payload []byte
	// Value is the decoded payload where the process has it; it does not travel.
	Value any
}

// MaxPayload is the default limit of a payload, in bytes. It is checked where the caller can still handle it.
const MaxPayload = 1 << 20

// ContentTypeJSON is the content type an empty one stands for.
const ContentTypeJSON = "application/json"

// The headers engines give a meaning to.
const (
	// HeaderExpectedVersion holds the stream version a command was made for, in decimal digits: the command is refused with a
	// conflict when the stream has another.
	HeaderExpectedVersion = "expected-version"
	// HeaderOnce, with any value, says that the command may arrive again under its id: it is carried out once.
	HeaderOnce = "once"
	// HeaderPosition holds a position of the service's log, in decimal digits: a query waits until the read models it is answered
	// from have passed it.
	HeaderPosition = "position"
)
