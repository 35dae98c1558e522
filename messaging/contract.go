package messaging

import (
	"reflect"

	"github.com/carillon-go/carillon"
)

// Carried is a type of messages that a topic carries.
type Carried struct {
	Kind carillon.Kind
	// Name is the stable name of the type, Payload the Go type of what the messages carry.
	Name    string
	Payload reflect.Type
}

// Carries lists the types of messages that the topic carries, in order of name.
func (t *Topic) Carries() []Carried {
	var all []Carried
	for _, name := range t.names() {
		m := t.byName[name]
		all = append(all, Carried{Kind: m.kind, Name: m.name, Payload: m.payload})
	}
	return all
}

// Topic is where the consumer's messages come from.
func (c *Consumer) Topic() *Topic { return c.topic }
