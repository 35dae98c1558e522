package conformance

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon"
)

// check is one promise put to the test. It returns what it found broken instead of failing a test, so that the kit's own tests
// can watch it find something.
type check struct {
	name string
	run  func(ctx context.Context, s *subject) error
}

// skip is why a check could not be made.
type skip string

func (s skip) Error() string { return "not checked: " + string(s) }

// subject is the store under test, opened for one check.
type subject struct {
	settings

	t      testing.TB
	open   LogOpener
	opener carillon.Opener
	store  carillon.Store
	log    carillon.Log
	random *rand.Rand
	serial atomic.Int64
}

// against runs the check on a new store.
func (c check) against(ctx context.Context, t testing.TB, open LogOpener, settings settings) (err error) {
	t.Helper()
	name := fnv.New64a()
	name.Write([]byte(c.name))
	s := &subject{settings: settings, t: t, open: open, random: rand.New(rand.NewPCG(settings.seed, name.Sum64()))}
	if err := s.use(ctx, open(t)); err != nil {
		return err
	}
	defer func() {
		if closing := s.store.Close(); closing != nil {
			err = errors.Join(err, fmt.Errorf("close the store: %w", closing))
		}
	}()
	return c.run(ctx, s)
}

// use makes the opener's store the one under test.
func (s *subject) use(ctx context.Context, opener carillon.Opener) error {
	store, err := opener.Open(ctx)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	s.opener, s.store, s.log = opener, store, store.Log()
	return nil
}

// reopen closes the store and opens it again.
func (s *subject) reopen(ctx context.Context) error {
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return s.use(ctx, s.opener)
}

// append hands a batch to the log and checks what every answer has in common.
func (s *subject) append(ctx context.Context, batch ...carillon.Append) ([]carillon.Verdict, error) {
	for i := range batch {
		if err := batch[i].Check(s.maxPayload); err != nil {
			return nil, fmt.Errorf("the kit made an append that is not valid: %w", err)
		}
	}
	verdicts, err := s.log.Append(ctx, batch)
	if err != nil {
		return nil, err
	}
	if len(verdicts) != len(batch) {
		return nil, fmt.Errorf("%d verdicts for %d appends", len(verdicts), len(batch))
	}
	var last carillon.Position
	for i, verdict := range verdicts {
		kind, err := outcomeOf(verdict)
		if err != nil {
			return nil, err
		}
		if kind != accepted {
			continue
		}
		if last > 0 && verdict.Appended.First != last+1 {
			return nil, fmt.Errorf("append %d of a batch begins at position %d, the one before it ended at %d: positions of a batch are consecutive",
				i+1, verdict.Appended.First, last)
		}
		last = verdict.Appended.Last
	}
	return verdicts, nil
}

// add appends without a guard and takes the append up in the ledger.
func (s *subject) add(ctx context.Context, l *ledger, appends ...carillon.Append) error {
	verdicts, err := s.append(ctx, appends...)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return l.settle(appends, verdicts)
}
