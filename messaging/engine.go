package messaging

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/internal/ids"
	"github.com/carillon-go/carillon/internal/readings"
)

// Engine publishes and consumes the messages of a service. It is put together before Run, which runs once.
type Engine struct {
	store  carillon.Store
	outbox carillon.Broker // the store's topics, nil when it has none
	opener carillon.BrokerOpener
	broker carillon.Broker // where messages come from, and where the outbox's go when it is another; set when declared is closed
	bus    *cqrs.Bus
	codec  carillon.Codec
	logger *slog.Logger

	observer carillon.Observer // nil for none

	topics    map[string]*Topic // by name
	published map[string]bool   // topics this service publishes to
	consumers []*Consumer
	servers   []*Server
	remote    map[reflect.Type]bool // requests that other services answer
	clients   map[*Topic]*Client
	address   *address // where replies come to, nil when there are none
	counts    counts

	declared chan struct{} // closed when the topics are there
}

// EngineOption changes a default of [NewEngine].
type EngineOption func(*Engine)

// Over moves messages through a broker other than the store's own. Run opens it, waiting for as long as it cannot be reached, and closes
// it.
func Over(opener carillon.BrokerOpener) EngineOption { return func(e *Engine) { e.opener = opener } }

// WithCodec sets how values are encoded; JSON by default.
func WithCodec(codec carillon.Codec) EngineOption { return func(e *Engine) { e.codec = codec } }

// WithLogger sets where failures are logged; nowhere by default.
func WithLogger(logger *slog.Logger) EngineOption { return func(e *Engine) { e.logger = logger } }

// WithObserver tells an observer what is published, sent, received and processed, and how much waits. Default: none.
func WithObserver(observer carillon.Observer) EngineOption {
	return func(e *Engine) { e.observer = observer }
}

// NewEngine makes an engine on a store. Without [Over] the store is the broker.
func NewEngine(store carillon.Store, options ...EngineOption) *Engine {
	e := &Engine{
		store: store, codec: codec.JSON(), logger: slog.New(slog.DiscardHandler), topics: make(map[string]*Topic),
		published: make(map[string]bool), remote: make(map[reflect.Type]bool), declared: make(chan struct{}),
	}
	for _, option := range options {
		option(e)
	}
	if keeps, ok := store.(carillon.BrokerStore); ok {
		e.outbox = keeps.Broker()
	}
	return e
}

// DispatchTo names the bus that [Send] and [Serve] hand commands and queries to. It comes before what they are part of is added.
func (e *Engine) DispatchTo(bus *cqrs.Bus) { e.bus = bus }

// Publishes says that the service publishes to a topic.
func (e *Engine) Publishes(topic *Topic) error {
	e.published[topic.Name()] = true
	return e.use(topic)
}

func (e *Engine) use(topic *Topic) error {
	if topic.err != nil {
		return topic.err
	}
	if other, taken := e.topics[topic.Name()]; taken && other != topic {
		return carillon.Invalidf(fmt.Sprintf("topic %q", topic.Name()), "a service knows a topic by one definition")
	}
	e.topics[topic.Name()] = topic
	return nil
}

// Add adds a consumer.
func (e *Engine) Add(consumer *Consumer) error {
	switch {
	case consumer.err != nil:
		return consumer.err
	case e.taken(consumer.name):
		return carillon.Invalidf(fmt.Sprintf("consumer %q", consumer.name), "a service has a consumer of a name once: two would each miss what the other notes as handled")
	case consumer.needsBus() && e.bus == nil:
		return carillon.Invalidf(fmt.Sprintf("consumer %q", consumer.name), "it sends commands, and there is no bus to send them to")
	}
	e.consumers = append(e.consumers, consumer)
	return e.use(consumer.topic)
}

// taken reports whether a consumer or a server has a name already.
func (e *Engine) taken(name string) bool {
	return slices.ContainsFunc(e.consumers, func(c *Consumer) bool { return c.name == name }) ||
		slices.ContainsFunc(e.servers, func(s *Server) bool { return s.name == name })
}

// Idle reports whether the engine has nothing to do.
func (e *Engine) Idle() bool { return len(e.topics) == 0 }

// Run declares the topics, relays and consumes until the context ends, and then closes the broker. It returns an error when it cannot
// start.
func (e *Engine) Run(ctx context.Context) error {
	if e.Idle() {
		<-ctx.Done()
		return nil
	}
	if err := e.open(ctx); err != nil {
		return endedOr(ctx, err)
	}
	if err := e.declare(ctx); err != nil {
		return errors.Join(endedOr(ctx, err), e.close())
	}
	close(e.declared)
	defer readings.Watch(e.observer, e.logger, e.readings)()
	var running sync.WaitGroup
	consuming, stopConsuming := context.WithCancel(ctx)
	defer stopConsuming()
	for _, consumer := range e.consumers {
		running.Go(func() { newWorker(e, consumer).run(consuming) })
	}
	for _, server := range e.servers {
		running.Go(func() { newService(e, server).run(consuming) })
	}
	var replies sync.WaitGroup
	replying, stopReplying := context.WithCancel(context.WithoutCancel(ctx)) // what is under way may wait for others
	defer stopReplying()
	if e.address != nil {
		replies.Go(func() { e.address.run(replying) })
	}
	if e.hasClaims() {
		running.Go(func() { e.sweep(ctx) })
	}
	if e.outbox != nil && e.broker != e.outbox {
		for name := range e.published {
			running.Go(func() { (&relay{engine: e, topic: name}).run(ctx) })
		}
	}
	running.Wait()
	<-ctx.Done() // also where nothing runs: what publishes to the store's own topics is done by its callers
	stopReplying()
	replies.Wait()
	return e.close()
}

// Ready waits until the topics are declared: what others publish from then on is kept for this service's consumers.
func (e *Engine) Ready(ctx context.Context) error {
	if e.Idle() {
		return ctx.Err()
	}
	select {
	case <-e.declared:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open opens the broker.
func (e *Engine) open(ctx context.Context) error {
	switch {
	case e.opener != nil:
		return patiently(ctx, e.logger, "open the broker", func() (err error) {
			e.broker, err = e.opener.OpenBroker(ctx)
			return err
		})
	case e.outbox == nil:
		return fmt.Errorf("the store is no broker, and there is no other: %w", carillon.ErrUnsupported)
	default:
		e.broker = e.outbox
		return nil
	}
}

// endedOr is nil when the context has ended, else the error.
func endedOr(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// close closes the brokers, the store's last: what is settled goes there.
func (e *Engine) close() error {
	err := e.broker.Close()
	if e.outbox != nil && e.outbox != e.broker {
		err = errors.Join(err, e.outbox.Close())
	}
	return err
}

// declare declares the topics in the broker, and those the service publishes to in the outbox, with the relay as their subscription.
func (e *Engine) declare(ctx context.Context) error {
	for name, topic := range e.topics {
		wanted := topic.declared
		for _, consumer := range e.consumers {
			if consumer.topic.Name() == name {
				wanted.Subscriptions = append(wanted.Subscriptions, consumer.name)
			}
		}
		for _, server := range e.servers {
			if server.topic.Name() == name {
				wanted.Subscriptions = append(wanted.Subscriptions, server.name)
			}
		}
		err := patiently(ctx, e.logger, "declare topics", func() error { return e.broker.Declare(ctx, wanted) })
		if err != nil {
			return fmt.Errorf("declare topic %q: %w", name, err)
		}
		if e.published[name] && e.outbox != nil && e.outbox != e.broker {
			kept := topic.declared
			kept.Subscriptions = append([]string{relayName}, e.keeping()...)
			err := patiently(ctx, e.logger, "declare topics", func() error { return e.outbox.Declare(ctx, kept) })
			if err != nil {
				return fmt.Errorf("declare topic %q in the store: %w", name, err)
			}
			if err := e.refill(ctx, name); err != nil {
				return fmt.Errorf("topic %q: publish again what the broker has lost: %w", name, err)
			}
		}
	}
	return nil
}

// Publish publishes a value that a topic carries, outside any handler. It returns when the message is durable: in the store, from where
// it goes on by itself, or with a store without topics in the broker. Without [WithID] a message that is published again is another
// message.
func (e *Engine) Publish(ctx context.Context, topic *Topic, value any, options ...PublishOption) error {
	m, err := topic.message(e.codec, value)
	if err != nil {
		return err
	}
	m.Time = now()
	for _, option := range options {
		option(&m)
	}
	if m.ID == "" {
		m.ID = ids.New()
	}
	if m.CorrelationID == "" {
		m.CorrelationID = m.ID
	}
	if err := topic.deposit(ctx, &m); err != nil {
		return err
	}
	return e.publish(ctx, topic.Name(), []carillon.Message{m})
}

// WithID names the message, so that one that is published again is told as the same.
func WithID(id string) PublishOption { return func(m *carillon.Message) { m.ID = id } }

// maxPayload is the largest payload that gets through.
func (e *Engine) maxPayload() int {
	return min(carillon.MaxPayload, e.broker.Capabilities().MaxPayload)
}

// publish hands messages to the store's topic, or to the broker.
func (e *Engine) publish(ctx context.Context, topic string, messages []carillon.Message) error {
	if err := e.Ready(ctx); err != nil {
		return err
	}
	for i := range messages {
		if err := messages[i].CheckPublished(e.maxPayload()); err != nil {
			return err
		}
	}
	if !e.published[topic] {
		return carillon.Invalidf(fmt.Sprintf("topic %q", topic), "the service says that it publishes there: add Publishes or Forward")
	}
	to := e.outbox
	if to == nil {
		to = e.broker
	}
	if e.observer != nil {
		return e.observedPublish(ctx, to, topic, messages)
	}
	return to.Publish(ctx, topic, messages)
}
