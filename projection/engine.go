package projection

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/readings"
)

// Engine keeps projections and reactors up to date with a log. Each has a goroutine of its own; they share what is read and
// decoded. Make one per store and process.
type Engine struct {
	log    *eventlog.Log
	store  carillon.Store
	codec  carillon.Codec
	logger *slog.Logger

	observer carillon.Observer // nil for none

	claims *claims // nil where the store is one process's
	known  map[string]bool
	chance chance

	mu      sync.Mutex
	runners []*runner
	ran     bool
}

// Definition is what an engine runs: a [*Model], [*Tables] or [*Reactor].
type Definition interface {
	carillon.Describer
	Name() string
	worker(e *Engine, part segment) (worker, error)
}

// worker is the part of a runner that knows what events are turned into. It is used by one goroutine at a time.
type worker interface {
	holder
	// prepare decodes an entry ahead of apply, on any goroutine.
	prepare(entry *eventlog.Entry)
	// start brings the checkpoint of a definition that has never run to where it begins.
	start(ctx context.Context) error
	// apply carries out a batch that follows on what was applied through from, and commits the effect with the checkpoint; when more
	// comes at once, the commit may wait for that. When an entry fails it commits what came before. It returns the position up to
	// which all effects are committed.
	apply(ctx context.Context, batch eventlog.Batch, from carillon.Position) (carillon.Position, error)
	operated
}

// operated is what operators ask of a worker.
type operated interface {
	// retry handles the parked events of a key in order until one fails; at is where the projection stands.
	retry(ctx context.Context, key string, at carillon.Position) error
	// rebuild makes the read model anew and returns its checkpoint, -1 when the old one was kept; pause keeps the live one still from
	// then on.
	rebuild(ctx context.Context, pause func(), asked rebuilding) (carillon.Position, error)
}

// holder writes under a lease.
type holder interface {
	// hold names the lease under which the worker writes from now on.
	hold(lease *carillon.Lease)
	// leave says whether what the worker applies now is the last before it ends: then its checkpoint does not wait.
	leave(now bool)
	// reached is the checkpoint that the worker committed last, 0 while it is not known. It is safe for concurrent use.
	reached() carillon.Position
}

// EngineOption changes a default of [NewEngine].
type EngineOption func(*Engine)

// WithCodec sets the codec of events and rows. Default: JSON.
func WithCodec(codec carillon.Codec) EngineOption { return func(e *Engine) { e.codec = codec } }

// WithLogger logs failures and rebuilds. Default: none.
func WithLogger(logger *slog.Logger) EngineOption { return func(e *Engine) { e.logger = logger } }

// WithObserver tells an observer of the batches of projections, of the events of reactors, and of how far everything lies behind. Default:
// none.
func WithObserver(observer carillon.Observer) EngineOption {
	return func(e *Engine) { e.observer = observer }
}

// KnownTypes names the event types that somebody in the service knows. An event of any other type is parked as a dead letter by every
// projection and reactor: it may come from a newer version of the service, in which they handle it. Default: events of types that a
// projection does not name are passed over.
func KnownTypes(types ...string) EngineOption {
	return func(e *Engine) {
		if e.known == nil {
			e.known = make(map[string]bool)
		}
		for _, typ := range types {
			e.known[typ] = true
		}
	}
}

// Term sets how long a segment's claim runs when its process cannot renew it, on a store that several processes share. A process that
// dies keeps its segments for that long; one that stops gives them up at once. Default: 30 seconds.
func Term(term time.Duration) EngineOption {
	return func(e *Engine) {
		if e.claims != nil {
			e.claims.term = term
		}
	}
}

// NewEngine makes an engine without projections. It does no I/O.
func NewEngine(log *eventlog.Log, store carillon.Store, options ...EngineOption) *Engine {
	e := &Engine{log: log, store: store, codec: codec.JSON(), logger: slog.New(slog.DiscardHandler)}
	if shared, ok := store.(carillon.LeaseStore); ok {
		e.claims = newClaims(e, shared.Leases())
	}
	for _, option := range options {
		option(e)
	}
	return e
}

// Add adds a projection or reactor before the engine runs. The error names the first mistake in the definition, a name taken, or that
// it is too late.
func (e *Engine) Add(definition Definition) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ran {
		return carillon.Invalidf(fmt.Sprintf("projection %q", definition.Name()), "the engine runs already: add everything before Run")
	}
	if slices.ContainsFunc(e.runners, func(r *runner) bool { return r.name == definition.Name() }) {
		return carillon.Invalidf(fmt.Sprintf("projection %q", definition.Name()), "its name is taken by another projection or reactor")
	}
	if strings.HasPrefix(definition.Name(), "carillon.") {
		return carillon.Invalidf(fmt.Sprintf("projection %q", definition.Name()), "names that begin with carillon. are taken")
	}
	parts, err := e.parts(definition)
	if err != nil {
		return err
	}
	for _, part := range parts {
		w, err := definition.worker(e, part)
		if err != nil {
			return err
		}
		e.runners = append(e.runners, newRunner(e, definition, part, w))
	}
	return nil
}

// Run keeps everything up to date until the context ends, and returns once all has stopped. A projection that fails is tried
// again and does not end the run. An engine runs once: a second call is refused with an [carillon.InvalidError].
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	runners, again := slices.Clone(e.runners), e.ran
	e.ran = true
	e.mu.Unlock()
	if again {
		return carillon.Invalidf("projection engine", "it runs once, make another to run again")
	}
	defer e.watchSettings(ctx, runners)()
	defer readings.Watch(e.observer, e.logger, e.readings)()
	if e.claims != nil {
		e.claims.run(ctx, runners)
		return ctx.Err()
	}
	var running sync.WaitGroup
	for _, r := range runners {
		r.local.Store(true)
		running.Go(func() { r.run(ctx) })
	}
	running.Wait()
	return ctx.Err()
}

// find returns the runners of a name, one for each segment.
func (e *Engine) find(name string) ([]*runner, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []*runner
	for _, r := range e.runners {
		if r.name == name {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("projection %q: %w", name, carillon.ErrNotFound)
	}
	return found, nil
}

// Wait returns once a projection has passed a position, in whatever process it runs, so that what was written before it can be read. It
// ends with [carillon.ErrTimeout] when the context's deadline comes first, and with [carillon.ErrNotFound] for an unknown name.
func (e *Engine) Wait(ctx context.Context, name string, position carillon.Position) error {
	runners, err := e.find(name)
	if err != nil {
		return err
	}
	return waitFor(ctx, runners, position)
}

// WaitAll is [Engine.Wait] for everything the engine has.
func (e *Engine) WaitAll(ctx context.Context, position carillon.Position) error {
	e.mu.Lock()
	runners := slices.Clone(e.runners)
	e.mu.Unlock()
	return waitFor(ctx, runners, position)
}

func waitFor(ctx context.Context, runners []*runner, position carillon.Position) error {
	for _, r := range runners {
		if err := r.wait(ctx, position); err != nil {
			return err
		}
	}
	return nil
}

// Status tells where everything stands, in the order it was added.
func (e *Engine) Status(ctx context.Context) ([]Status, error) {
	head, err := e.log.Head(ctx)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var statuses []Status
	for _, r := range e.runners {
		status := r.status(head)
		if last := len(statuses) - 1; last >= 0 && statuses[last].Name == r.name {
			status = statuses[last].with(status)
			statuses = statuses[:last]
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}
