package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

func lifecycleChecks() []check {
	return []check{
		{"reopen", checkReopen},
		{"closed", checkClosed},
		{"close under load", checkCloseUnderLoad},
	}
}

// checkReopen fills a log, closes and opens it, and goes on with it.
func checkReopen(ctx context.Context, s *subject) error {
	if s.volatile {
		return skip("the store keeps nothing when it is closed, see conformance.WithoutReopen")
	}
	l := newLedger()
	full := roundTripMessages(s)[0].message
	filled := once(to("cart-1", carillon.NoStream(), s.event("cart.filled", "cart:1"), full), "fill-1", 1)
	steps := []step{
		one("a command", accepted, filled),
		one("an append without a stream", accepted, loose(s.events(3, "cart.seen", "cart:1")...)),
	}
	if err := s.play(ctx, l, steps); err != nil {
		return err
	}
	for range 2 {
		if err := s.reopen(ctx); err != nil {
			return err
		}
		if err := l.verify(ctx, s.log); err != nil {
			return fmt.Errorf("after a close and an open: %w", err)
		}
		version, tag := l.version("cart-1"), carillon.ByTags("cart:1")
		steps := []step{
			one("the command again", duplicate, filled),
			one("its id with other content", reused, once(loose(s.event("cart.filled")), "fill-1", 2)),
			one("a stale version", versionConflict, to("cart-1", carillon.Exactly(version-1), s.event("cart.filled"))),
			one("an event from before the close breaks a condition", conditionConflict, unless(loose(s.event("noted")), tag, 1)),
			one("the version and the head from before the close", accepted,
				unless(to("cart-1", carillon.Exactly(version), s.event("cart.filled", "cart:1")), tag, l.head())),
		}
		if err := s.play(ctx, l, steps); err != nil {
			return fmt.Errorf("after a close and an open: %w", err)
		}
	}
	return nil
}

// checkClosed uses a log after its store was closed.
func checkClosed(ctx context.Context, s *subject) error {
	l := newLedger()
	if err := s.add(ctx, l, once(to("cart-1", carillon.NoStream(), s.event("cart.filled")), "fill-1", 1)); err != nil {
		return err
	}
	log := s.log
	for i := range 2 {
		if err := s.store.Close(); err != nil {
			return fmt.Errorf("close number %d: %w", i+1, err)
		}
	}
	_, appending := log.Append(ctx, []carillon.Append{loose(s.event("noted"))})
	if err := closedAnswers(ctx, log, appending, carillon.ErrClosed); err != nil {
		return fmt.Errorf("a closed log: %w", err)
	}
	if s.volatile {
		return nil
	}
	if err := s.use(ctx, s.opener); err != nil {
		return err
	}
	return l.verify(ctx, s.log)
}

// closedAnswers calls every read and demands the same error of it as of an append that was made before.
func closedAnswers(ctx context.Context, log carillon.Log, appending, want error) error {
	_, reading := log.Read(ctx, carillon.AllEvents(), 0, 10)
	_, filtering := log.Read(ctx, carillon.ByTags("k:1"), 0, 10)
	_, streaming := log.ReadStream(ctx, "cart-1", 0, 10)
	_, heading := log.Head(ctx)
	_, looking := log.Command(ctx, "fill-1")
	_, missing := log.Command(ctx, "fill-2")
	answers := []struct {
		method string
		err    error
	}{
		{"Append", appending},
		{"Read", reading},
		{"Read with a query", filtering},
		{"ReadStream", streaming},
		{"Head", heading},
		{"Command", looking},
		{"Command of an unknown id", missing},
	}
	if lister, ok := log.(carillon.StreamLister); ok {
		_, listing := lister.Streams(ctx, "", 10)
		answers = append(answers, struct {
			method string
			err    error
		}{"Streams", listing})
	}
	var wrong []error
	for _, answer := range answers {
		if !errors.Is(answer.err, want) {
			wrong = append(wrong, fmt.Errorf("%s: error %w, want %w", answer.method, errOrNil(answer.err), want))
		}
	}
	return errors.Join(wrong...)
}

// checkCloseUnderLoad closes a store while many append. What was acknowledged is there after the next open, what failed is not.
func checkCloseUnderLoad(ctx context.Context, s *subject) error {
	const before = 20
	writers := s.sizes.Racers
	results := make([][]attemptResult, writers)
	progress, stopped := make(chan struct{}, before), make(chan struct{}, writers)
	load, loadCtx := newGroup(ctx)
	for writer := range writers {
		load.start(func() error {
			defer func() { stopped <- struct{}{} }()
			stream := fmt.Sprintf("load-%d", writer)
			for version := int64(0); ; version += 2 {
				batch := []carillon.Append{to(stream, carillon.Exactly(version), s.events(2, "load.put")...)}
				verdicts, err := s.append(loadCtx, batch...)
				results[writer] = append(results[writer], attemptResult{attempt{batch, verdicts}, err})
				if err != nil {
					return nil
				}
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	for range before {
		select {
		case <-progress:
		case <-stopped:
		}
	}
	closing := s.store.Close()
	if err := errors.Join(load.wait(), ctx.Err()); err != nil {
		return err
	}
	if closing != nil {
		return fmt.Errorf("close the store: %w", closing)
	}
	if s.volatile {
		return nil
	}
	if err := s.use(ctx, s.opener); err != nil {
		return err
	}
	l := newLedger()
	var attempts []attempt
	var last []attemptResult
	for _, own := range results {
		for _, result := range own[:len(own)-1] {
			attempts = append(attempts, result.attempt)
		}
		last = append(last, own[len(own)-1])
	}
	if err := l.audit(attempts); err != nil {
		return err
	}
	for _, result := range last {
		if err := s.settleInterrupted(ctx, l, result, carillon.ErrClosed); err != nil {
			return err
		}
	}
	return l.verify(ctx, s.log)
}
