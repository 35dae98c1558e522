package projection

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
)

// Engine keeps projections and reactors up to date with a log. Each has a goroutine of its own; they share what is read and
// decoded. Make one per store and process.
type Engine struct {
	log    *eventlog.Log
	store  carillon.Store
	codec  carillon.Codec
	logger *slog.Logger

	mu      sync.Mutex
	runners []*runner
}

// Definition is what an engine runs: a [*Model], [*Tables] or [*Reactor].
type Definition interface {
	carillon.Describer
	Name() string
	worker(e *Engine) (worker, error)
}

// worker is the part of a runner that knows what events are turned into. It is used by one goroutine at a time.
type worker interface {
	// prepare decodes an entry ahead of apply, on any goroutine.
	prepare(entry *eventlog.Entry)
	// start brings the checkpoint of a definition that has never run to where it begins.
	start(ctx context.Context) error
	// apply carries out a batch that follows on what was applied through from, and commits the effect with the checkpoint; when more
	// comes at once, the commit may wait for that. When an entry fails it commits what came before. It returns the position up to
	// which all effects are committed.
	apply(ctx context.Context, batch eventlog.Batch, from carillon.Position) (carillon.Position, error)
	// rebuild makes the read model anew and returns its checkpoint; pause keeps the live one still from then on.
	rebuild(ctx context.Context, pause func()) (carillon.Position, error)
}

// EngineOption changes a default of [NewEngine].
type EngineOption func(*Engine)

// WithCodec sets the codec of events and rows. Default: JSON.
func WithCodec(codec carillon.Codec) EngineOption { return func(e *Engine) { e.codec = codec } }

// WithLogger logs failures and rebuilds. Default: none.
func WithLogger(logger *slog.Logger) EngineOption { return func(e *Engine) { e.logger = logger } }

// NewEngine makes an engine without projections. It does no I/O.
func NewEngine(log *eventlog.Log, store carillon.Store, options ...EngineOption) *Engine {
	e := &Engine{log: log, store: store, codec: codec.JSON(), logger: slog.New(slog.DiscardHandler)}
	for _, option := range options {
		option(e)
	}
	return e
}

// Add adds a projection or reactor before the engine runs. The error names the first mistake in the definition, or a name taken.
func (e *Engine) Add(definition Definition) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.ContainsFunc(e.runners, func(r *runner) bool { return r.name == definition.Name() }) {
		return carillon.Invalidf(fmt.Sprintf("projection %q", definition.Name()), "its name is taken by another projection or reactor")
	}
	w, err := definition.worker(e)
	if err != nil {
		return err
	}
	e.runners = append(e.runners, newRunner(e, definition, w))
	return nil
}

// Run keeps everything up to date until the context ends, and returns once all has stopped. A projection that fails is tried
// again and does not end the run.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	runners := slices.Clone(e.runners)
	e.mu.Unlock()
	var running sync.WaitGroup
	for _, r := range runners {
		running.Go(func() { r.run(ctx) })
	}
	running.Wait()
	return ctx.Err()
}

func (e *Engine) find(name string) (*runner, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.runners {
		if r.name == name {
			return r, nil
		}
	}
	return nil, fmt.Errorf("projection %q: %w", name, carillon.ErrNotFound)
}

// Wait returns once a projection has passed a position, so that what was written before it can be read. It ends with
// [carillon.ErrTimeout] when the context's deadline comes first, and with [carillon.ErrNotFound] for an unknown name.
func (e *Engine) Wait(ctx context.Context, name string, position carillon.Position) error {
	r, err := e.find(name)
	if err != nil {
		return err
	}
	return r.progress.wait(ctx, name, position)
}

// WaitAll is [Engine.Wait] for everything the engine runs.
func (e *Engine) WaitAll(ctx context.Context, position carillon.Position) error {
	e.mu.Lock()
	runners := slices.Clone(e.runners)
	e.mu.Unlock()
	for _, r := range runners {
		if err := r.progress.wait(ctx, r.name, position); err != nil {
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
	statuses := make([]Status, len(e.runners))
	for i, r := range e.runners {
		statuses[i] = r.status(head)
	}
	return statuses, nil
}

// Rebuild makes a read model anew from the first event, also while the engine runs. A keyed one is built in a shadow that
// replaces the live rows in one step once it has caught up; tables of your own are emptied and filled again. A reactor is
// refused with [carillon.ErrUnsupported].
func (e *Engine) Rebuild(ctx context.Context, name string) error {
	r, err := e.find(name)
	if err != nil {
		return err
	}
	return r.rebuild(ctx)
}
