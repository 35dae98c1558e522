package rabbitmq

import (
	"fmt"
	"iter"
	"mime"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

// The prefixes of a CloudEvent's attributes among the headers. The first is written, both are read.
const (
	attributePrefix = "cloudEvents_"
	colonPrefix     = "cloudEvents:"
	contentType     = "datacontenttype"
)

// encode writes a message as the AMQP binding of CloudEvents wants it, to be kept on disk.
func encode(m *carillon.Message) amqp.Publishing {
	p := amqp.Publishing{Headers: make(amqp.Table, 8), DeliveryMode: amqp.Persistent, MessageId: m.ID, Body: m.Payload}
	for name, value := range cloudevents.Attributes(m) {
		if name == contentType {
			p.ContentType = value
		} else {
			p.Headers[attributePrefix+name] = value
		}
	}
	return p
}

// attributes yields the attributes of a delivery.
func attributes(d *amqp.Delivery) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if d.ContentType != "" && !yield(contentType, d.ContentType) {
			return
		}
		for name, value := range d.Headers {
			rest, ok := strings.CutPrefix(name, attributePrefix)
			if !ok {
				rest, ok = strings.CutPrefix(name, colonPrefix)
			}
			if ok && !yield(rest, text(value)) {
				return
			}
		}
	}
}

func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case []byte:
		return string(value)
	case time.Time:
		return value.UTC().Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(value)
	}
}

// decode reads a delivery. What is no CloudEvent comes as it is, with the reason.
func decode(d *amqp.Delivery) carillon.Message {
	m, err := read(d)
	if err == nil {
		return m
	}
	m = carillon.Message{
		ID: unreadableID(d), Kind: carillon.KindDocument, Type: "carillon.unreadable", SchemaVersion: 1, ContentType: d.ContentType,
		Headers: make(map[string]string, len(d.Headers)+1), Payload: d.Body,
	}
	if m.ContentType == "" {
		m.ContentType = "application/octet-stream"
	}
	for name, value := range d.Headers {
		if !counting(name) {
			m.Headers[name] = text(value)
		}
	}
	m.Headers["unreadable"] = err.Error()
	return m
}

// read reads a delivery of either mode, which its content type tells.
func read(d *amqp.Delivery) (carillon.Message, error) {
	if structured(d.ContentType) {
		return cloudevents.Unmarshal(d.Body)
	}
	return cloudevents.Message(attributes(d), d.Body)
}

// structured reports whether a content type says that the whole message is in the body.
func structured(contentType string) bool {
	if contentType == carillon.ContentTypeJSON { // nearly always
		return false
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == cloudevents.ContentType
}

// counting reports whether a header is the server's, and changes from one delivery to the next.
func counting(name string) bool { return name == deliveryCount || name == acquiredCount }

// The headers the server counts deliveries in: those that failed, and, from 4.0 on, all.
const (
	deliveryCount = "x-delivery-count"
	acquiredCount = "x-acquired-count"
)

// attemptOf tells which delivery of its message this is.
func attemptOf(d *amqp.Delivery) int {
	before := max(number(d.Headers[deliveryCount]), number(d.Headers[acquiredCount]))
	if before == 0 && d.Redelivered {
		before = 1
	}
	return before + 1
}

func number(value any) int {
	switch value := value.(type) {
	case int64:
		return int(value)
	case int32:
		return int(value)
	case int16:
		return int(value)
	case int8:
		return int(value)
	case uint8:
		return int(value)
	default:
		return 0
	}
}
