package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
)

// slowRounds is how many commits are held up. slowCommit is how long readers and then rivals have to show that they do not
// wait for a commit: a log may make them, and then only the clock ends the hold.
const (
	slowRounds = 6
	slowCommit = 50 * time.Millisecond
)

func slowChecks() []check {
	return []check{
		{"slow commits", checkSlowCommits},
		{"slow commits cancelled", checkSlowCancelled},
		{"slow commits and close", checkSlowClose},
	}
}

// checkSlowCommits: while a commit is held up nobody sees anything of it, and rivals for the same stream, boundary and command
// id do not win beside it.
func checkSlowCommits(ctx context.Context, s *subject) error {
	g, err := s.useSlow(ctx)
	if err != nil {
		return err
	}
	l := newLedger()
	for round := range slowRounds {
		if err := s.add(ctx, l, to("slow", carillon.AnyVersion(), s.event("account.opened", "account:1"))); err != nil {
			return err
		}
		if err := s.slowRound(ctx, g, l, round); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		if err := l.verify(ctx, s.log); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	return nil
}

func (s *subject) slowRound(ctx context.Context, g *gate, l *ledger, round int) error {
	id := fmt.Sprintf("slow-%d", round)
	version, after, account := carillon.Exactly(l.version("slow")), l.head(), carillon.ByTags("account:1")
	opened := func() carillon.Message { return s.event("account.opened", "account:1") }
	held, result, err := s.slowly(ctx, g, once(unless(to("slow", version, opened(), opened()), account, after), id, 1))
	if err != nil {
		return err
	}

	var rivalled atomic.Bool
	readers, readersCtx := newGroup(ctx)
	readers.start(func() error { return s.seesNothingNew(readersCtx, l, id, &rivalled) })
	read := soon(readers.wait)

	rivals := []carillon.Append{
		once(unless(to("slow", version, opened()), account, after), id, 1),
		once(loose(opened()), id, 2),
		unless(loose(opened()), account, after),
		to("slow", version, opened()),
		loose(s.event("noted")),
		to("noted", carillon.AnyVersion(), s.event("noted")),
	}
	rivalled.Store(true)
	attempts := make([]attempt, len(rivals)+1)
	racers, racersCtx := newGroup(ctx)
	for i, rival := range rivals {
		racers.start(func() error {
			verdicts, err := s.append(racersCtx, rival)
			attempts[i] = attempt{[]carillon.Append{rival}, verdicts}
			return err
		})
	}
	raced := soon(racers.wait)
	close(held.released)
	slow := <-result
	if err := errors.Join(<-read, slow.err, <-raced); err != nil {
		return err
	}
	attempts[len(rivals)] = slow.attempt
	for _, plain := range attempts[4:6] {
		if err := plain.verdicts[0].Err; err != nil {
			return fmt.Errorf("an append without a guard was refused: %w", err)
		}
	}
	return l.audit(attempts)
}

// soon runs a function and returns when it is done, or when it takes so long that it seems to wait for the commit. Its error is
// to come in the channel.
func soon(run func() error) <-chan error {
	done, result := make(chan struct{}), make(chan error, 1)
	go func() {
		result <- run()
		close(done)
	}()
	clock := time.NewTimer(slowCommit)
	defer clock.Stop()
	select {
	case <-done:
	case <-clock.C:
	}
	return result
}

// seesNothingNew reads in every way and demands what the ledger holds, as long as no rival has begun.
func (s *subject) seesNothingNew(ctx context.Context, l *ledger, id string, rivalled *atomic.Bool) error {
	saw := func(err, difference error) error {
		if err == nil && difference != nil && !rivalled.Load() {
			err = fmt.Errorf("seen before its commit: %w", difference)
		}
		return err
	}
	reads := []func() error{
		func() error {
			events, _, err := walk(ctx, s.log, carillon.AllEvents(), 0, 1000)
			return saw(err, sameEvents(events, l.events))
		},
		func() error {
			query := carillon.ByTags("account:1")
			events, _, err := walk(ctx, s.log, query, 0, 1000)
			return saw(err, sameEvents(events, l.matching(query, 0)))
		},
		func() error {
			events, err := walkStream(ctx, s.log, "slow", 0, 1000)
			return saw(err, sameEvents(events, l.stream("slow")))
		},
		func() error {
			head, err := s.log.Head(ctx)
			if err != nil || head == l.head() {
				return err
			}
			return saw(nil, fmt.Errorf("the head is %d, was %d", head, l.head()))
		},
		func() error {
			record, err := s.log.Command(ctx, id)
			if errors.Is(err, carillon.ErrNotFound) {
				return nil
			}
			return saw(err, fmt.Errorf("command %q: %+v", id, record))
		},
	}
	for _, read := range reads {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// checkSlowCancelled: a context cancelled during the commit leaves all of the batch or nothing, and the log usable.
func checkSlowCancelled(ctx context.Context, s *subject) error {
	g, err := s.useSlow(ctx)
	if err != nil {
		return err
	}
	l := newLedger()
	for range slowRounds {
		cancelled, cancel := context.WithCancel(ctx)
		a := to("slow", carillon.Exactly(l.version("slow")), s.events(3, "account.opened")...)
		held, result, err := s.slowly(cancelled, g, a)
		cancel()
		if err != nil {
			return err
		}
		close(held.released)
		if err := s.settleInterrupted(ctx, l, <-result, context.Canceled); err != nil {
			return err
		}
		if err := s.add(ctx, l, loose(s.event("noted"))); err != nil {
			return err
		}
	}
	return l.verify(ctx, s.log)
}

// settleInterrupted takes up an append that something came between: it took place if its result says so, did not if the error
// is the expected one, and the log itself knows if the outcome is unknown. The append must be to a stream.
func (s *subject) settleInterrupted(ctx context.Context, l *ledger, result attemptResult, expected error) error {
	a := &result.attempt.batch[0]
	switch {
	case result.err == nil:
		return l.settle(result.attempt.batch, result.attempt.verdicts)
	case errors.Is(result.err, carillon.ErrOutcomeUnknown):
		events, err := walkStream(ctx, s.log, a.Stream, l.version(a.Stream), 1000)
		if err == nil && len(events) > 0 {
			l.accept(a)
		}
		return err
	case !errors.Is(result.err, expected):
		return fmt.Errorf("the append failed with %w; want %w, ErrOutcomeUnknown or a result", result.err, expected)
	default:
		return nil
	}
}

// checkSlowClose: Close waits for a commit under way.
func checkSlowClose(ctx context.Context, s *subject) error {
	g, err := s.useSlow(ctx)
	if err != nil {
		return err
	}
	l := newLedger()
	held, result, err := s.slowly(ctx, g, to("slow", carillon.NoStream(), s.events(3, "account.opened")...))
	if err != nil {
		return err
	}
	closed := make(chan error, 1)
	go func() { closed <- s.store.Close() }()
	clock := time.NewTimer(slowCommit)
	defer clock.Stop()
	select {
	case err = <-closed:
		close(held.released)
		<-result
		return fmt.Errorf("Close returned (error %w) while an append was under way", errOrNil(err))
	case <-clock.C:
		close(held.released)
	}
	slow := <-result
	if err := <-closed; err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	if s.volatile {
		return nil
	}
	if err := s.use(ctx, s.opener); err != nil {
		return err
	}
	if err := s.settleInterrupted(ctx, l, slow, carillon.ErrClosed); err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}
