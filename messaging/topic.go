package messaging

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
)

// Topic is a topic as services agree on it: its name and the types of the messages it carries.
type Topic struct {
	declared carillon.Topic
	byName   map[string]messageType
	byType   map[reflect.Type]messageType
	claims   *claimCheck // nil when all payloads travel
	err      error
}

// messageType is a type of messages under its stable name.
type messageType struct {
	kind    carillon.Kind
	name    string
	payload reflect.Type
	decode  func(codec carillon.Codec, payload []byte) (any, error)
	answer  *answerType // of a query
}

// TopicPart says more about a topic.
type TopicPart func(*Topic)

// NewTopic makes a topic. Its name is lower-case letters, digits and ". _ -".
func NewTopic(name string, parts ...TopicPart) *Topic {
	t := &Topic{declared: carillon.Topic{Name: name}, byName: make(map[string]messageType), byType: make(map[reflect.Type]messageType)}
	for _, part := range parts {
		part(t)
	}
	if t.err == nil {
		t.err = t.declared.Check()
	}
	return t
}

// Event says that the topic carries events of a type under a name.
func Event[M any](name string) TopicPart { return carries[M](carillon.KindEvent, name, nil) }

// Command says that the topic carries commands of a type under a name.
func Command[M any](name string) TopicPart { return carries[M](carillon.KindCommand, name, nil) }

// Query says that the topic carries queries of a type under a name, which are answered with an A.
func Query[Q, A any](name string) TopicPart {
	return carries[Q](carillon.KindQuery, name, &answerType{response: reflect.TypeFor[A](), decode: decodeAs[A]})
}

// Document says that the topic carries documents of a type under a name.
func Document[M any](name string) TopicPart { return carries[M](carillon.KindDocument, name, nil) }

// Partitions is how many parts the keys of the topic are spread over; [carillon.DefaultPartitions] by default.
func Partitions(n int) TopicPart { return func(t *Topic) { t.declared.Partitions = n } }

// Retention is how long a message stays for subscriptions that have not had it; [carillon.DefaultRetention] by default.
func Retention(d time.Duration) TopicPart { return func(t *Topic) { t.declared.Retention = d } }

// answerType is what a query is answered with.
type answerType struct {
	response reflect.Type
	decode   func(codec carillon.Codec, payload []byte) (any, error)
	stream   *streamType // nil when there is one answer
}

func decodeAs[M any](codec carillon.Codec, payload []byte) (any, error) {
	var m M
	err := codec.Decode(payload, &m)
	return m, err
}

func carries[M any](kind carillon.Kind, name string, answer *answerType) TopicPart {
	return func(t *Topic) {
		m := messageType{kind: kind, name: name, payload: reflect.TypeFor[M](), decode: decodeAs[M], answer: answer}
		_, named := t.byName[name]
		_, typed := t.byType[m.payload]
		switch err := carillon.CheckType(name); {
		case t.err != nil:
		case err != nil:
			t.err = fmt.Errorf("topic %q: %w", t.declared.Name, err)
		case named || typed:
			t.err = carillon.Invalidf(fmt.Sprintf("topic %q", t.declared.Name), "it carries %s, a %s, once", name, m.payload)
		}
		t.byName[name], t.byType[m.payload] = m, m
	}
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.declared.Name }

// Describe describes the topic.
func (t *Topic) Describe() carillon.Description {
	return carillon.Description{Kind: "topic", Name: t.declared.Name, Accepts: t.names()}
}

func (t *Topic) names() []string {
	var names []string
	for name := range t.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// message makes the message of a value the topic carries.
func (t *Topic) message(codec carillon.Codec, value any) (carillon.Message, error) {
	m, ok := t.byType[reflect.TypeOf(value)]
	if !ok {
		return carillon.Message{}, fmt.Errorf("topic %q carries no %T: name it with Event, Command, Query or Document: %w",
			t.declared.Name, value, carillon.ErrUnknownType)
	}
	payload, err := codec.Encode(value)
	if err != nil {
		return carillon.Message{}, fmt.Errorf("%s %q: %w", m.kind, m.name, err)
	}
	message := carillon.Message{Kind: m.kind, Type: m.name, SchemaVersion: 1, ContentType: codec.ContentType(), Payload: payload}
	if keyed, ok := value.(interface{ Key() string }); ok {
		message.Key = keyed.Key()
	}
	if tagged, ok := value.(carillon.Tagger); ok {
		message.Tags = tagged.Tags()
	}
	return message, nil
}
