package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

// App is a service before it runs: a store to open and parts.
type App struct {
	opener     carillon.Opener
	parts      []carillon.Describer
	middleware []carillon.Middleware
	broker     carillon.BrokerOpener
	term       time.Duration // 0 is the default of projections
	observers  []carillon.Observer
	logger     *slog.Logger

	once    sync.Once
	started chan struct{} // closed when running or failed is set
	running *Running
	failed  error
}

// Running is a service while it runs.
type Running struct {
	Store       carillon.Store
	Log         *eventlog.Log
	Codec       carillon.Codec
	Bus         *cqrs.Bus
	Projections *projection.Engine
	// Messages publishes, where the service has topics.
	Messages *messaging.Engine
	// Observer watches the service; nil for none.
	Observer carillon.Observer
	Logger   *slog.Logger
	// Describe describes the whole service.
	Describe func() carillon.Description
}

// Server is a part that serves the service to the outside. Serve blocks until the context ends and what it has taken is
// finished; an error from it ends the service.
type Server interface {
	carillon.Describer
	Serve(ctx context.Context, running *Running) error
}

// decider is any [sourcing.Decider], whatever its state.
type decider interface {
	carillon.Describer
	Bind(runtime sourcing.Runtime) ([]carillon.Endpoint, error)
	EventTypes() map[string]reflect.Type
}

// New makes a service of a store and its parts: [sourcing.Decider], [projection.Model], [projection.Tables],
// [projection.Reactor], [projection.Answer], [messaging.Topic] for what is published to it, [messaging.Forwarder], [messaging.Consumer],
// [messaging.Server] and [messaging.Client] for requests from and to other services, [carillon.Endpoint], [Server], a
// [carillon.Observer], and settings such as [Use]. It does no I/O; mistakes
// come to light in Run.
func New(opener carillon.Opener, parts ...carillon.Describer) *App {
	a := &App{opener: opener, started: make(chan struct{}), logger: slog.Default()}
	for _, part := range parts {
		switch part := part.(type) {
		case setting:
			part.apply(a)
			continue
		case carillon.Observer:
			a.observers = append(a.observers, part)
			continue
		}
		a.parts = append(a.parts, part)
	}
	return a
}

// setting is a part that changes a default of the service.
type setting struct {
	name  string
	apply func(*App)
}

func (s setting) Describe() carillon.Description {
	return carillon.Description{Kind: "setting", Name: s.name}
}

// Use wraps every command and query handler in middleware, inside the built-in ones, which recover panics, pass on correlation
// and validate.
func Use(middleware ...carillon.Middleware) carillon.Describer {
	return setting{"middleware", func(a *App) { a.middleware = append(a.middleware, middleware...) }}
}

// Over moves messages through a broker in place of the store's own topics: NATS JetStream, Kafka, RabbitMQ or Redis, one line each.
func Over(broker carillon.BrokerOpener) carillon.Describer {
	return setting{"broker", func(a *App) { a.broker = broker }}
}

// Term sets how long the projections, reactors and forwarders of a process that died wait for another one, where several share a store; 30 s
// by default. See [projection.Term].
func Term(term time.Duration) carillon.Describer {
	return setting{"term", func(a *App) { a.term = term }}
}

// LogTo sets where the service logs. Default: slog's default logger.
func LogTo(logger *slog.Logger) carillon.Describer {
	return setting{"logger", func(a *App) { a.logger = logger }}
}

// Run opens the store and serves until the context ends, then stops in order and returns nil. It returns an error when the
// service cannot start or a server fails. A service runs once.
func (a *App) Run(ctx context.Context) error {
	first := false
	a.once.Do(func() { first = true })
	if !first {
		return carillon.Invalidf("service", "it runs once, make another to run again")
	}
	store, err := a.opener.Open(ctx)
	if err != nil {
		return a.fail(err)
	}
	running, servers, err := a.assemble(store)
	if err != nil {
		return a.fail(errors.Join(err, store.Close()))
	}
	a.running = running
	close(a.started)
	return errors.Join(serve(ctx, running, servers), store.Close())
}

func (a *App) fail(err error) error {
	a.failed = err
	close(a.started)
	return err
}

// Running returns the service once it runs, or why it could not start. It waits until Run has been called.
func (a *App) Running(ctx context.Context) (*Running, error) {
	select {
	case <-a.started:
		return a.running, a.failed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// assemble binds the parts to an open store.
func (a *App) assemble(store carillon.Store) (*Running, []Server, error) {
	r := &Running{Store: store, Codec: codec.JSON(), Logger: a.logger, Describe: a.Describe}
	switch len(a.observers) {
	case 0:
	case 1:
		r.Observer = a.observers[0]
	default:
		return nil, nil, carillon.Invalidf("service", "it has one observer, not %d", len(a.observers))
	}
	r.Log = eventlog.New(store.Log(), eventlog.WithObserver(r.Observer))
	projecting := []projection.EngineOption{
		projection.WithLogger(a.logger), projection.WithCodec(r.Codec), projection.WithObserver(r.Observer), projection.KnownTypes(a.eventTypes()...),
	}
	if a.term != 0 {
		projecting = append(projecting, projection.Term(a.term))
	}
	r.Projections = projection.NewEngine(r.Log, store, projecting...)
	options := []messaging.EngineOption{messaging.WithCodec(r.Codec), messaging.WithLogger(a.logger), messaging.WithObserver(r.Observer)}
	if a.broker != nil {
		options = append(options, messaging.Over(a.broker))
	}
	r.Messages = messaging.NewEngine(r.Store, options...)
	runtime := sourcing.Runtime{Log: r.Log, Snapshots: store.Snapshots(), Codec: r.Codec, Logger: a.logger}
	var endpoints []carillon.Endpoint
	var servers []Server
	var messages []carillon.Describer
	events, deciders := make(map[string]reflect.Type), make(map[string]carillon.Description)
	for _, part := range a.parts {
		switch part := part.(type) {
		case decider:
			bound, err := part.Bind(runtime)
			if err != nil {
				return nil, nil, err
			}
			if err := distinguish(deciders, part.Describe()); err != nil {
				return nil, nil, err
			}
			if err := merge(events, part.EventTypes()); err != nil {
				return nil, nil, err
			}
			endpoints = append(endpoints, bound...)
		case projection.Definition:
			if err := r.Projections.Add(part); err != nil {
				return nil, nil, err
			}
		case *projection.Answer:
			endpoint, err := part.Bind(store, r.Codec)
			if err != nil {
				return nil, nil, err
			}
			endpoints = append(endpoints, endpoint)
		case carillon.Endpoint:
			endpoints = append(endpoints, part)
		case *messaging.Client:
			remote, err := r.Messages.Remote(part)
			if err != nil {
				return nil, nil, err
			}
			endpoints = append(endpoints, remote...)
		case *messaging.Topic, *messaging.Forwarder, *messaging.Consumer, *messaging.Server:
			messages = append(messages, part)
		case Server:
			servers = append(servers, part)
		default:
			return nil, nil, carillon.Invalidf(fmt.Sprintf("part %T", part), "a service is made of deciders, projections, queries and servers")
		}
	}
	for i := range endpoints {
		endpoints[i].Handler = reading(r.Projections, endpoints[i])
	}
	contract, err := cqrs.NewContract(endpoints...)
	if err != nil {
		return nil, nil, err
	}
	middleware := append([]carillon.Middleware{cqrs.Recover(), cqrs.Correlate(), cqrs.Validate()}, a.middleware...)
	if r.Observer != nil {
		middleware = slices.Insert(middleware, 0, cqrs.Trace(r.Observer))
	}
	r.Bus = cqrs.NewBus(contract, middleware...)
	if err := a.exchange(r, messages); err != nil {
		return nil, nil, err
	}
	return r, servers, nil
}

// exchange binds the parts that publish and consume.
func (a *App) exchange(r *Running, parts []carillon.Describer) error {
	r.Messages.DispatchTo(r.Bus)
	for _, part := range parts {
		var err error
		switch part := part.(type) {
		case *messaging.Topic:
			err = r.Messages.Publishes(part)
		case *messaging.Consumer:
			err = r.Messages.Add(part)
		case *messaging.Server:
			err = r.Messages.Serve(part)
		case *messaging.Forwarder:
			err = errors.Join(r.Messages.Publishes(part.Topic()), r.Projections.Add(projection.Forward(part.Name(), projection.FromBeginning(),
				func(ctx context.Context, events []carillon.Recorded) error {
					return r.Messages.PublishRecorded(ctx, part.Topic(), events)
				}, part.Types()...)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eventTypes names the event types that the parts know.
func (a *App) eventTypes() (types []string) {
	for _, part := range a.parts {
		switch part := part.(type) {
		case decider:
			types = slices.AppendSeq(types, maps.Keys(part.EventTypes()))
		case projection.Definition:
			types = append(types, part.Describe().Accepts...)
		}
	}
	return types
}

// distinguish sees to it that deciders have names of their own, and aggregates streams of their own: those of an aggregate "a" begin with
// "a-", and so do those of "a-b".
func distinguish(deciders map[string]carillon.Description, decider carillon.Description) error {
	what := fmt.Sprintf("decider %q", decider.Name)
	if _, taken := deciders[decider.Name]; taken {
		return carillon.Invalidf(what, "its name is taken by another decider: give it one of its own")
	}
	for _, other := range deciders {
		short, long := other.Name, decider.Name
		if len(short) > len(long) {
			short, long = long, short
		}
		if other.Kind == "aggregate" && decider.Kind == "aggregate" && strings.HasPrefix(long, short+"-") {
			return carillon.Invalidf(what, "its streams could be those of aggregate %q: let neither name begin with the other and a hyphen", other.Name)
		}
	}
	deciders[decider.Name] = decider
	return nil
}

// merge sees to it that one event name means one Go type throughout the service.
func merge(events, more map[string]reflect.Type) error {
	for name, typ := range more {
		if other, taken := events[name]; taken && other != typ {
			return carillon.Invalidf(fmt.Sprintf("event %q", name), "it is a %s in one decider and a %s in another", other, typ)
		}
		events[name] = typ
	}
	return nil
}

// serve runs servers and projections until the context ends or a server fails, and stops them in order.
func serve(ctx context.Context, running *Running, servers []Server) error {
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	projecting, stopProjecting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopProjecting()

	var projections sync.WaitGroup
	projections.Go(func() { _ = running.Projections.Run(projecting) }) // ends with its context only

	failures := make(chan error, len(servers)+1)
	exchanging, stopExchanging := context.WithCancel(context.WithoutCancel(ctx))
	defer stopExchanging()
	var messages sync.WaitGroup
	messages.Go(func() {
		if err := running.Messages.Run(exchanging); err != nil {
			failures <- err
			stopServing()
		}
	})
	var serverGroup sync.WaitGroup
	for _, server := range servers {
		serverGroup.Go(func() {
			if err := server.Serve(serving, running); err != nil && ctx.Err() == nil {
				failures <- err
				stopServing()
			}
		})
	}
	<-serving.Done()
	serverGroup.Wait()
	stopProjecting()
	projections.Wait()
	stopExchanging()
	messages.Wait()
	close(failures)
	var err error
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	return err
}

// Describe describes the service and all its parts.
func (a *App) Describe() carillon.Description {
	description := carillon.Description{Kind: "service", Name: "service"}
	if store, ok := a.opener.(carillon.Describer); ok {
		description.Parts = append(description.Parts, store.Describe())
	}
	for _, part := range a.parts {
		description.Parts = append(description.Parts, part.Describe())
	}
	return description
}
