package sourcing

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/shapes"
)

// Bound is a decider bound to a log. Make one per decider and process: it keeps hot states and lets commands for one key wait
// for each other.
type Bound[S any] struct {
	decider     *Decider[S]
	log         *eventlog.Log
	snapshots   carillon.Snapshots
	tails       carillon.SnapshotLog // nil when snapshots are read apart
	codec       carillon.Codec
	logger      *slog.Logger
	fingerprint string
	query       func(tags []carillon.Tag) carillon.Query
	states      *states[S]
	firsts      []firsts // one for each decision
	locks       locks

	drawing sync.Mutex
	chance  *rand.Rand // nil for the process's
}

// Runtime is what deciders are bound to.
type Runtime struct {
	Log *eventlog.Log
	// Snapshots may be nil when no decider saves any.
	Snapshots carillon.Snapshots
	// Codec is nil for JSON.
	Codec carillon.Codec
	// HotStates is how many states a decider keeps in memory: 0 for 10,000, negative for none.
	HotStates int
	// Logger is nil for none.
	Logger *slog.Logger
	// Random seeds the pauses after conflicts, when a decider is bound. It is nil for the process's randomness.
	Random *rand.Rand
}

// Bind binds a decider. The error names the first mistake in its definition.
func Bind[S any](d *Decider[S], r Runtime) (*Bound[S], error) {
	if d.err != nil {
		return nil, d.err
	}
	if d.across && len(d.types) == 0 {
		return nil, carillon.Invalidf(fmt.Sprintf("decider %q", d.name), "a boundary reads the events registered with On, there are none")
	}
	if d.snapshots > 0 && r.Snapshots == nil {
		return nil, fmt.Errorf("decider %q saves snapshots, the store keeps none: %w", d.name, carillon.ErrUnsupported)
	}
	if owner, field, hidden := shapes.Hidden(reflect.TypeFor[S](), reflect.TypeFor[Recorder]()); hidden && d.snapshots > 0 {
		return nil, carillon.Invalidf(fmt.Sprintf("decider %q", d.name),
			"a snapshot would lose field %s of its state's type %s: export the field, give the type an encoding of its own, or leave SnapshotEvery out", field, owner)
	}
	b := &Bound[S]{decider: d, log: r.Log, snapshots: r.Snapshots, codec: r.Codec, logger: r.Logger, firsts: make([]firsts, len(d.decisions))}
	if r.Random != nil {
		b.chance = rand.New(rand.NewPCG(r.Random.Uint64(), r.Random.Uint64()))
	}
	if b.codec == nil {
		b.codec = codec.JSON()
	}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	hot := r.HotStates
	if hot == 0 {
		hot = 10_000
	}
	b.states = newStates[S](hot)
	if d.snapshots > 0 {
		b.fingerprint = d.Fingerprint()
		if r.Log != nil { // a test binds a decider to none
			b.tails = r.Log.Tails(r.Snapshots)
		}
	}
	types := d.Events()
	b.query = func(tags []carillon.Tag) carillon.Query {
		items := make([]carillon.Item, len(tags))
		for i, tag := range tags {
			items[i] = carillon.Item{Types: types, Tags: []carillon.Tag{tag}}
		}
		return carillon.Query{Items: items}
	}
	return b, nil
}

// random draws something from 0 to below a limit.
func (b *Bound[S]) random(below time.Duration) time.Duration {
	if b.chance == nil {
		return rand.N(below)
	}
	b.drawing.Lock()
	defer b.drawing.Unlock()
	return time.Duration(b.chance.Int64N(int64(below)))
}

// Bind binds the decider and returns the endpoints of its commands, for the dispatch of package cqrs.
func (d *Decider[S]) Bind(r Runtime) ([]carillon.Endpoint, error) {
	b, err := Bind(d, r)
	if err != nil {
		return nil, err
	}
	return b.Endpoints(), nil
}

// Endpoints returns the endpoints of the decider's commands.
func (b *Bound[S]) Endpoints() []carillon.Endpoint {
	endpoints := make([]carillon.Endpoint, len(b.decider.decisions))
	for i, decision := range b.decider.decisions {
		endpoints[i] = carillon.Endpoint{
			Kind: carillon.KindCommand, Type: decision.command, Version: 1, Request: decision.request,
			Handler: func(ctx context.Context, message *carillon.Message) (any, error) {
				appended, err := b.handle(ctx, i, message)
				if err != nil {
					return nil, err
				}
				return appended, nil
			},
		}
	}
	return endpoints
}

// Load returns the state of the aggregate of a key and the version it is at, 0 when nothing happened to it. It reads the log, so
// it sees every append that was acknowledged.
func (b *Bound[S]) Load(ctx context.Context, key string) (state S, version int64, err error) {
	if b.decider.across {
		return state, 0, carillon.Invalidf(fmt.Sprintf("decider %q", b.decider.name), "a boundary is loaded by tags, see LoadAcross")
	}
	at, err := b.load(ctx, boundary{key: key})
	return at.state, at.at, err
}

// LoadAcross returns the state of the boundary of some tags and the log position it is as of.
func (b *Bound[S]) LoadAcross(ctx context.Context, tags ...carillon.Tag) (state S, as carillon.Position, err error) {
	if !b.decider.across {
		return state, 0, carillon.Invalidf(fmt.Sprintf("decider %q", b.decider.name), "an aggregate is loaded by key, see Load")
	}
	at, err := b.load(ctx, boundary{tags: tags, query: b.query(tags)})
	return at.state, carillon.Position(at.at), err
}

// load waits for the commands under way: no two goroutines fold on from one kept state, whose slices a fold may append to.
func (b *Bound[S]) load(ctx context.Context, of boundary) (cached[S], error) {
	release, err := b.locks.take(ctx, b.keys(of))
	if err != nil {
		return cached[S]{}, err
	}
	defer release()
	return b.refresh(ctx, of)
}
