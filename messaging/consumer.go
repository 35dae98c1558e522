package messaging

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/cqrs"
)

// Consumer is the definition of what a service does with the messages of a topic. Consumers of one name compete for them, whatever
// process they are in; those of different names each get all.
type Consumer struct {
	name      string
	topic     *Topic
	handlers  map[reflect.Type]handler
	retry     consume.Retry
	batch     int
	readAhead int
	deadline  time.Duration
	err       error
}

// handler handles the messages of a type: in the transaction of the consumer, as a command of the service, or by a call outside.
type handler struct {
	inside  func(ctx context.Context, tx *Tx, value any) error
	command func(value any) any
	call    func(ctx context.Context, m *carillon.Message, value any) error
	decode  func(codec carillon.Codec, payload []byte) (any, error)
}

// ConsumerPart is one piece of a consumer's definition.
type ConsumerPart func(*Consumer)

// Consume defines a consumer of a topic. Messages of types that the topic carries and the consumer has no handler for are passed over;
// those of other types are parked.
func Consume(name string, topic *Topic, parts ...ConsumerPart) *Consumer {
	c := &Consumer{
		name: name, topic: topic, handlers: make(map[reflect.Type]handler), retry: consume.Retry{Attempts: 5}, batch: 64, readAhead: 1024,
		deadline: 30 * time.Second,
	}
	if check := (carillon.Topic{Name: "a", Subscriptions: []string{name}}); topic != nil {
		c.err = check.Check()
	} else {
		c.err = carillon.Invalidf(fmt.Sprintf("consumer %q", name), "it has a topic")
	}
	for _, part := range parts {
		part(c)
	}
	if c.err == nil && len(c.handlers) == 0 {
		c.err = carillon.Invalidf(fmt.Sprintf("consumer %q", name), "it handles at least one type: add On or Send")
	}
	return c
}

// On handles messages of a type inside a transaction: what the handler publishes and writes through tx, and that the message was
// handled, commit together, after which it does not come again. The handlers of up to 64 messages of different keys share one
// transaction: it is short, and what it does outside tx may happen more than once.
func On[M any](handle func(ctx context.Context, tx *Tx, m M) error) ConsumerPart {
	return with[M](handler{inside: func(ctx context.Context, tx *Tx, value any) error { return handle(ctx, tx, value.(M)) }})
}

// Send answers messages of a type with a command of this service; nil for none. The command carries an id that follows from the
// message, so that it is carried out once however often the message comes. A command that is rejected is parked with the
// message.
func Send[M any](command func(m M) any) ConsumerPart {
	return with[M](handler{command: func(value any) any { return command(value.(M)) }})
}

func with[M any](h handler) ConsumerPart {
	return func(c *Consumer) {
		typ := reflect.TypeFor[M]()
		h.decode = decodeAs[M]
		if _, taken := c.handlers[typ]; taken && c.err == nil {
			c.err = carillon.Invalidf(fmt.Sprintf("consumer %q", c.name), "it handles %s once", typ)
		}
		if _, known := c.topic.byType[typ]; !known && c.err == nil {
			c.err = carillon.Invalidf(fmt.Sprintf("consumer %q", c.name), "topic %q carries no %s", c.topic.Name(), typ)
		}
		c.handlers[typ] = h
	}
}

// Retry says how often and after what pauses a failing message is tried before it is parked; 5 times by default, after pauses of up
// to 100 ms, doubled each time up to 30 s. While a downstream cannot be reached, which a handler says with an error that is
// [carillon.ErrUnavailable], attempts do not count: the key waits.
func Retry(retry consume.Retry) ConsumerPart { return func(c *Consumer) { c.retry = retry } }

// Batch is how many messages share a transaction at most, 1 to 64; 64 by default.
func Batch(messages int) ConsumerPart { return func(c *Consumer) { c.batch = messages } }

// ReadAhead is how many messages are held that are not handled; 1024 by default.
func ReadAhead(messages int) ConsumerPart { return func(c *Consumer) { c.readAhead = messages } }

// AckDeadline is how long the messages of a process that died wait at most before others get them, as far as the broker goes by it; 30 s
// by default. A process that lives has its messages for as long as it needs, however long that is: it tells the broker three times within
// the deadline. One that is paused for longer loses them.
func AckDeadline(d time.Duration) ConsumerPart {
	return func(c *Consumer) {
		if d <= 0 && c.err == nil {
			c.err = carillon.Invalidf(fmt.Sprintf("consumer %q", c.name), "its deadline is a time to wait, not %v", d)
		}
		c.deadline = d
	}
}

// Name returns the consumer's name.
func (c *Consumer) Name() string { return c.name }

// Describe describes the consumer.
func (c *Consumer) Describe() carillon.Description {
	d := carillon.Description{Kind: "consumer", Name: c.name}
	if c.topic != nil {
		d.Detail = map[string]string{"topic": c.topic.Name()}
	}
	for typ := range c.handlers {
		d.Accepts = append(d.Accepts, c.topic.byType[typ].name)
	}
	slices.Sort(d.Accepts)
	return d
}

// needsBus reports whether the consumer sends commands.
func (c *Consumer) needsBus() bool {
	for _, h := range c.handlers {
		if h.command != nil {
			return true
		}
	}
	return false
}

// send carries out the command a message is answered with.
func send(ctx context.Context, bus *cqrs.Bus, command any, id string, cause *carillon.Message) error {
	_, err := bus.Send(ctx, command, cqrs.WithID(id), cqrs.CausedBy(cause))
	return err
}
