package conformance

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

// gate holds up the next commit once it is shut.
type gate struct {
	held atomic.Pointer[hold]
}

// hold is one commit held up.
type hold struct {
	entered, released chan struct{}
}

func (g *gate) shut() *hold {
	h := &hold{entered: make(chan struct{}), released: make(chan struct{})}
	g.held.Store(h)
	return h
}

// pass is what the adapter calls in a commit.
func (g *gate) pass() {
	if h := g.held.Swap(nil); h != nil {
		close(h.entered)
		<-h.released
	}
}

// useSlow puts a store with slow commits in place of the one under test.
func (s *subject) useSlow(ctx context.Context) (*gate, error) {
	if s.openSlow == nil {
		return nil, skip("the adapter gives no way to slow its commits down, see conformance.WithSlowCommits")
	}
	if err := s.store.Close(); err != nil {
		return nil, fmt.Errorf("close the store: %w", err)
	}
	g := &gate{}
	return g, s.use(ctx, s.openSlow(s.t, g.pass))
}

// slowly starts an append whose commit is held up and returns when it is. The channel has the result once it is released.
func (s *subject) slowly(ctx context.Context, g *gate, a carillon.Append) (*hold, <-chan attemptResult, error) {
	held := g.shut()
	result := make(chan attemptResult, 1)
	go func() {
		verdicts, err := s.append(ctx, a)
		result <- attemptResult{attempt{[]carillon.Append{a}, verdicts}, err}
	}()
	select {
	case <-held.entered:
		return held, result, nil
	case early := <-result:
		g.held.Store(nil)
		return nil, nil, fmt.Errorf("an append was answered (error %w) without a call of stall before its commit", errOrNil(early.err))
	}
}

// attemptResult is an attempt and the error of its batch.
type attemptResult struct {
	attempt attempt
	err     error
}
