package asyncapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/schemas"
	"github.com/carillon-go/carillon/messaging"
)

// Version is the version of the specification that documents are written in.
const Version = "3.0.0"

// Part is a piece of what is described.
type Part func(*builder) error

// Service is a service by its name and its parts. Those that neither publish nor consume are passed over.
func Service(name string, parts ...carillon.Describer) Part {
	return func(b *builder) error {
		for _, part := range parts {
			if err := b.add(name, part); err != nil {
				return err
			}
		}
		return nil
	}
}

// Broker is the URL of the broker the messages go through, such as nats://localhost:4222. User and password do not get into the
// document. Without it the topics are those of a store, which has no server in the sense of the specification.
func Broker(address string) Part {
	return func(b *builder) error {
		parsed, err := url.Parse(address)
		if err != nil || parsed.Host == "" {
			return carillon.Invalidf("broker", "it is a URL such as nats://localhost:4222") // it may hold a password
		}
		b.server = &server{Host: parsed.Host, Protocol: strings.ToLower(parsed.Scheme)}
		switch b.server.Protocol {
		case "nats", "tls":
			b.server.Protocol, b.prefix = "nats", "ce-"
		case "kafka":
			b.prefix = "ce_"
		case "amqp", "amqps":
			b.server.ProtocolVersion, b.prefix = "0.9.1", "cloudEvents_"
		}
		return nil
	}
}

// Release is the version of what is described; 1 by default.
func Release(version string) Part {
	return func(b *builder) error {
		b.Info.Version = version
		return nil
	}
}

// Document writes the document as indented JSON. An error is [carillon.ErrInvalid].
func Document(title string, parts ...Part) ([]byte, error) {
	b := &builder{
		document: document{
			AsyncAPI: Version,
			Info: info{
				Title: title, Version: "1",
				Description: "Topics, and the services that send to them and receive from them. Delivery is at least once: a message that comes " +
					"again has the id it had. The messages of a key come in order. Messages are CloudEvents 1.0 in binary mode.",
			},
			DefaultContentType: carillon.ContentTypeJSON,
			Channels:           make(map[string]*channel), Operations: make(map[string]operation),
		},
		schemas: schemas.New(), topics: make(map[string]*messaging.Topic),
	}
	for _, part := range parts {
		if err := part(b); err != nil {
			return nil, fmt.Errorf("asyncapi: %w", err)
		}
	}
	return b.write()
}

// builder puts a document together.
type builder struct {
	document
	server  *server
	prefix  string // of the headers that are attributes
	schemas schemas.Set
	topics  map[string]*messaging.Topic
}

// add adds a part of a service.
func (b *builder) add(service string, part carillon.Describer) error {
	switch part := part.(type) {
	case *messaging.Topic:
		return b.operate(service, "send", service, part, names(part))
	case *messaging.Forwarder:
		return b.operate(service, "send", service, part.Topic(), part.Types())
	case *messaging.Consumer:
		if part.Topic() == nil {
			return carillon.Invalidf(fmt.Sprintf("consumer %q", part.Name()), "it has a topic")
		}
		return b.operate(service, "receive", part.Name(), part.Topic(), part.Describe().Accepts)
	default:
		return nil
	}
}

// operate adds an operation: a service sends messages to a topic, or one of its consumers receives them.
func (b *builder) operate(service, action, who string, topic *messaging.Topic, types []string) error {
	if other, ok := b.topics[topic.Name()]; ok && other != topic && !slices.Equal(other.Carries(), topic.Carries()) {
		return carillon.Invalidf(fmt.Sprintf("topic %q", topic.Name()), "all services know it with the same types")
	}
	b.topics[topic.Name()] = topic
	o := operation{Action: action, Channel: refer("channels", topic.Name()), Tags: []tag{{Name: service}}}
	for _, name := range slices.Sorted(slices.Values(types)) {
		o.Messages = append(o.Messages, refer("channels", topic.Name(), "messages", plain(name)))
	}
	if action == "send" {
		o.Summary = fmt.Sprintf("Service %s publishes to %s.", service, topic.Name())
	} else {
		o.Summary = fmt.Sprintf("Consumer %s of service %s handles what %s brings.", who, service, topic.Name())
	}
	b.Operations[plain(who)+"."+action+"."+topic.Name()] = o
	return nil
}

// write writes the channels of the topics, and everything.
func (b *builder) write() ([]byte, error) {
	if b.server != nil {
		b.Servers = map[string]server{"broker": *b.server}
	}
	for _, name := range slices.Sorted(maps.Keys(b.topics)) {
		c := &channel{Address: name, Messages: make(map[string]message)}
		for _, carried := range b.topics[name].Carries() {
			c.Messages[plain(carried.Name)] = b.message(carried)
		}
		b.Channels[name] = c
	}
	if made := b.schemas.Registry().Map(); len(made) > 0 {
		for _, schema := range made {
			opened(schema)
		}
		b.Components = &components{Schemas: made}
	}
	written, err := json.MarshalIndent(b.document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("asyncapi: %w", err)
	}
	return append(written, '\n'), nil
}

// opened lets objects have more fields than a schema names: receivers pass over those that newer senders added.
func opened(schema *huma.Schema) {
	if schema == nil {
		return
	}
	switch more := schema.AdditionalProperties.(type) {
	case bool:
		schema.AdditionalProperties = nil
	case *huma.Schema:
		opened(more)
	}
	opened(schema.Items)
	for _, property := range schema.Properties {
		opened(property)
	}
}

// message describes a type of messages.
func (b *builder) message(carried messaging.Carried) message {
	m := message{
		Name: carried.Name, Title: carried.Name, ContentType: carillon.ContentTypeJSON, Payload: b.schemas.Of(carried.Payload),
		Tags: []tag{{Name: carried.Kind.String()}},
	}
	if b.prefix != "" {
		m.Headers = headers(b.prefix, carried)
		m.CorrelationID = &correlation{Location: "$message.header#/" + b.prefix + "correlationid"}
	}
	return m
}

// headers describes the headers of a message in binary mode.
func headers(prefix string, carried messaging.Carried) *huma.Schema {
	text := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description}
	}
	exactly := func(value, description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description, Enum: []any{value}}
	}
	schema := &huma.Schema{Type: huma.TypeObject, Required: []string{}, Properties: map[string]*huma.Schema{
		prefix + "specversion":   exactly("1.0", "The version of CloudEvents."),
		prefix + "id":            text("The message's id: one that comes again has the same."),
		prefix + "source":        text("Where it comes from."),
		prefix + "type":          exactly(carried.Name, "The type of the message."),
		prefix + "time":          {Type: huma.TypeString, Format: "date-time", Description: "When the message came to be."},
		prefix + "partitionkey":  text("What order is kept per."),
		prefix + "correlationid": text("What the messages of a conversation share."),
		prefix + "causationid":   text("The message that caused this one."),
	}}
	for _, name := range []string{"id", "source", "specversion", "type"} {
		schema.Required = append(schema.Required, prefix+name)
	}
	if carried.Kind != carillon.KindEvent {
		schema.Properties[prefix+"kind"] = exactly(carried.Kind.String(), "What the message means to its receiver.")
		schema.Required = append(schema.Required, prefix+"kind")
	}
	return schema
}

func names(topic *messaging.Topic) (all []string) {
	for _, carried := range topic.Carries() {
		all = append(all, carried.Name)
	}
	return all
}

// plain keeps what keys and references hold without escapes.
func plain(name string) string { return strings.NewReplacer(":", "_", "/", "_").Replace(name) }
