package conformance

import (
	"context"
	"sync"
)

// group runs goroutines that end together: the first error cancels the context of all.
type group struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	once   sync.Once
	err    error
}

// newGroup makes a group and the context its goroutines run with.
func newGroup(ctx context.Context) (*group, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	return &group{cancel: cancel}, ctx
}

func (g *group) start(run func() error) {
	g.done.Go(func() {
		if err := run(); err != nil {
			g.once.Do(func() {
				g.err = err
				g.cancel()
			})
		}
	})
}

// wait returns the first error when all have ended.
func (g *group) wait() error {
	g.done.Wait()
	g.cancel()
	return g.err
}

// bell wakes whoever listens each time it rings.
type bell struct {
	mu      sync.Mutex
	ringing chan struct{}
}

func newBell() *bell { return &bell{ringing: make(chan struct{})} }

// listen returns a channel that is closed by the next ring.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ringing
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ringing)
	b.ringing = make(chan struct{})
}
