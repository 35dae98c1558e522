package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/carillon-go/carillon"
)

// BreakerOption changes a default of [NewBreaker].
type BreakerOption func(*Breaker)

// OpensAfter opens the breaker when so many of the last calls failed; 5 of the last 10 by default. Both are at least 1.
func OpensAfter(failures, calls int) BreakerOption {
	return func(b *Breaker) { b.failures, b.calls = max(1, failures), max(1, failures, calls) }
}

// StaysOpen is how long an open breaker refuses every call; 5 s by default.
func StaysOpen(pause time.Duration) BreakerOption {
	return func(b *Breaker) { b.pause = max(1, pause) }
}

// Probes is how many calls a half-open breaker lets through at a time, and how many must succeed to close it, at least one; 1 by
// default.
func Probes(calls int) BreakerOption { return func(b *Breaker) { b.probes = max(1, calls) } }

// WithLogger sets where changes of state are logged; nowhere by default.
func WithLogger(logger *slog.Logger) BreakerOption { return func(b *Breaker) { b.logger = logger } }

// Breaker is a circuit breaker: it stops calling what keeps failing. Closed, it lets all calls through and looks at the last of them.
// When too many failed it opens and refuses every call with [ErrOpen] for a while. The next call then finds it half-open: a few are let
// through as probes. They close it when they succeed; the first that fails opens it again, and so does one whose caller gives up.
//
// There is one breaker for each thing that fails as a whole, shared by all that call it. It lives in one process.
type Breaker struct {
	name            string
	failures, calls int
	pause           time.Duration
	probes          int
	logger          *slog.Logger
	observer        carillon.Observer // nil for none
	circuit         circuitbreaker.CircuitBreaker[any]

	mu     sync.Mutex // held while circuit is used
	since  time.Time
	era    int // of the state: calls that began in another are not counted
	opened int
	past   []BreakerPeriod // the last is the one it is in
	untold []change
}

// change is a change of state that was not logged yet.
type change struct {
	from, to        BreakerState
	failures, calls int
	lasted          time.Duration
}

// NewBreaker makes a breaker, which is closed, under a name to print.
func NewBreaker(name string, options ...BreakerOption) *Breaker {
	b := &Breaker{
		name: name, failures: 5, calls: 10, pause: 5 * time.Second, probes: 1, logger: slog.New(slog.DiscardHandler), since: time.Now(),
	}
	for _, option := range options {
		option(b)
	}
	b.past = []BreakerPeriod{{Since: b.since.UTC()}}
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(uint(b.failures), uint(b.calls)).
		WithSuccessThreshold(uint(b.probes)).
		WithDelay(b.pause).
		OnStateChanged(b.changed).
		Build()
	b.observe()
	return b
}

// Middleware keeps calls from being made while the breaker is open. It is a [carillon.Middleware].
func (b *Breaker) Middleware(next carillon.Handler) carillon.Handler {
	return func(ctx context.Context, message *carillon.Message) (result any, err error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		era, err := b.enter(ctx)
		if err != nil {
			return nil, err
		}
		returned := false
		defer func() {
			if b.leave(ctx, era, err, returned) {
				err = fmt.Errorf("%w; %s: %w", err, b.name, ErrOpen)
			}
		}()
		result, err = next(ctx, message)
		returned = true
		return result, err
	}
}

// enter lets a call through or refuses it.
func (b *Breaker) enter(ctx context.Context) (era int, err error) {
	defer b.tell(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.circuit.TryAcquirePermit() {
		if wait := b.circuit.RemainingDelay(); wait > 0 {
			return 0, fmt.Errorf("%s: %w, for another %v", b.name, ErrOpen, wait)
		}
		return 0, fmt.Errorf("%s: %w, being probed", b.name, ErrOpen)
	}
	return b.era, nil
}

// leave counts how a call ended, and reports whether it failed and the breaker is not closed. A call that did not return panicked.
func (b *Breaker) leave(ctx context.Context, era int, err error, returned bool) (open bool) {
	defer b.tell(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	failed := !returned || isFailure(ctx, err) && !isRefusal(err)
	if era == b.era {
		switch {
		case failed:
			b.circuit.RecordFailure()
		case isAnswer(err):
			b.circuit.RecordSuccess()
		case b.circuit.IsHalfOpen(): // a probe that found out nothing
			b.circuit.RecordFailure()
		}
	}
	return returned && failed && !b.circuit.IsClosed() && !errors.Is(err, ErrOpen)
}

// changed notes a change of state. The breaker is locked.
func (b *Breaker) changed(event circuitbreaker.StateChangedEvent) {
	now := time.Now()
	b.untold = append(b.untold, change{
		from: stateOf(event.OldState), to: stateOf(event.NewState),
		failures: int(event.Metrics().Failures()), calls: int(event.Metrics().Executions()), lasted: now.Sub(b.since),
	})
	b.since = now
	b.remember(BreakerPeriod{State: stateOf(event.NewState), Since: now.UTC()})
	b.era++
	if event.NewState == circuitbreaker.OpenState {
		b.opened++
	}
}

// tell logs the changes of state, without holding the lock.
func (b *Breaker) tell(ctx context.Context) {
	b.mu.Lock()
	changes := b.untold
	b.untold = nil
	b.mu.Unlock()
	for _, c := range changes {
		level := slog.LevelInfo
		if c.to == BreakerOpen {
			level = slog.LevelWarn
		}
		b.logger.LogAttrs(ctx, level, "circuit breaker changed", slog.String("breaker", b.name), slog.String("from", c.from.String()),
			slog.String("to", c.to.String()), slog.Int("failures", c.failures), slog.Int("calls", c.calls), slog.Duration("lasted", c.lasted))
	}
}
