package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/carillon-go/carillon"
)

func contextChecks() []check {
	return []check{
		{"cancelled context", checkCancelled},
		{"cancelled under load", checkCancelledUnderLoad},
	}
}

// checkCancelled uses contexts that ended before the call.
func checkCancelled(ctx context.Context, s *subject) error {
	l := newLedger()
	if err := s.add(ctx, l, once(to("cart-1", carillon.NoStream(), s.event("cart.filled", "k:1")), "fill-1", 1)); err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	expired, cancelExpired := context.WithTimeout(ctx, 0)
	defer cancelExpired()
	for _, ended := range []context.Context{cancelled, expired} {
		for i := range 3 {
			a := to("cart-1", carillon.Exactly(l.version("cart-1")), s.events(1+i, "cart.filled")...)
			verdicts, err := s.append(ended, a)
			result := attemptResult{attempt{[]carillon.Append{a}, verdicts}, err}
			if err := s.settleInterrupted(ctx, l, result, ended.Err()); err != nil {
				return fmt.Errorf("append with an ended context: %w", err)
			}
			if err := l.verify(ctx, s.log); err != nil {
				return fmt.Errorf("after an append with an ended context: %w", err)
			}
		}
		if err := closedAnswers(ended, s.log, ended.Err(), ended.Err()); err != nil {
			return fmt.Errorf("with an ended context: %w", err)
		}
		if err := s.add(ctx, l, loose(s.event("noted"))); err != nil {
			return fmt.Errorf("after calls with an ended context: %w", err)
		}
	}
	return l.verify(ctx, s.log)
}

// checkCancelledUnderLoad cancels contexts at any moment while many append. Every batch is there in full or not at all, as its
// answer says.
func checkCancelledUnderLoad(ctx context.Context, s *subject) error {
	l := newLedger()
	for round := range s.sizes.Rounds {
		results := make([]attemptResult, s.sizes.Racers)
		racers, racersCtx := newGroup(ctx)
		for racer := range results {
			yields := rand.New(rand.NewPCG(s.seed, uint64(round*len(results)+racer))).IntN(200)
			batch := make([]carillon.Append, 3)
			for i := range batch {
				batch[i] = to(fmt.Sprintf("round-%d-racer-%d", round, racer), carillon.AnyVersion(), s.events(2, "thing.done")...)
			}
			interrupted, cancel := context.WithCancel(racersCtx)
			if yields%5 == 0 {
				cancel()
			}
			racers.start(func() error {
				verdicts, err := s.append(interrupted, batch...)
				results[racer] = attemptResult{attempt{batch, verdicts}, err}
				return nil
			})
			racers.start(func() error {
				for range yields {
					runtime.Gosched()
				}
				cancel()
				return nil
			})
		}
		if err := racers.wait(); err != nil {
			return err
		}
		if err := s.settleRound(ctx, l, results); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	return l.verify(ctx, s.log)
}

// settleRound takes up a round of batches that may have been cancelled. Batches whose outcome is unknown are found in the log.
func (s *subject) settleRound(ctx context.Context, l *ledger, results []attemptResult) error {
	var attempts []attempt
	for _, result := range results {
		switch {
		case result.err == nil:
			attempts = append(attempts, result.attempt)
		case errors.Is(result.err, carillon.ErrOutcomeUnknown):
			found, err := s.find(ctx, result.attempt.batch)
			if err != nil {
				return err
			}
			if found != nil {
				attempts = append(attempts, *found)
			}
		case !isContextError(result.err):
			return fmt.Errorf("a cancelled append failed with %w, want its context's error, ErrOutcomeUnknown or a result", result.err)
		}
	}
	return l.audit(attempts)
}

// find looks for a batch of appends to one new stream in the log and answers as the log would have. It returns nil when nothing
// of it is there.
func (s *subject) find(ctx context.Context, batch []carillon.Append) (*attempt, error) {
	events, err := walkStream(ctx, s.log, batch[0].Stream, 0, 1000)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	found := &attempt{batch: batch}
	for i := range batch {
		own := len(batch[i].Events)
		if len(events) < own {
			return nil, fmt.Errorf("append %d of the batch to stream %q is missing: half a batch", i+1, batch[i].Stream)
		}
		found.verdicts = append(found.verdicts, carillon.Verdict{Appended: carillon.Appended{
			First: events[0].Position, Last: events[own-1].Position, Version: events[own-1].Version,
		}})
		events = events[own:]
	}
	return found, nil
}
