package clients

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// Subscription is what is joined through a client, and left when that closes.
type Subscription interface {
	comparable
	Close() error
}

// Lifetime is a client's, from its making to the end of Close. The zero value is open. It is safe for concurrent use.
type Lifetime[S Subscription] struct {
	mu     sync.Mutex
	ended  chan struct{}  // nil while the client is open, closed when Close ends
	calls  sync.WaitGroup // under way, and what they left to do
	joined map[S]struct{}
	failed error
}

// Begin begins a call, which Close waits for until end is called. Its context ends after a while with a cause. A client that is closed
// takes none: [carillon.ErrClosed].
func (l *Lifetime[S]) Begin(ctx context.Context, within time.Duration, cause error) (bounded context.Context, end func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return nil, nil, carillon.ErrClosed
	}
	l.calls.Add(1)
	bounded, stop := context.WithTimeoutCause(ctx, within, cause)
	return bounded, func() { stop(); l.calls.Done() }, nil
}

// Go does something that Close waits for. It is called within a call.
func (l *Lifetime[S]) Go(do func()) { l.calls.Go(do) }

// Join notes a subscription, which Close closes. A client that is closed takes none: [carillon.ErrClosed].
func (l *Lifetime[S]) Join(s S) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return carillon.ErrClosed
	}
	if l.joined == nil {
		l.joined = make(map[S]struct{})
	}
	l.joined[s] = struct{}{}
	return nil
}

// Leave forgets a subscription.
func (l *Lifetime[S]) Leave(s S) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.joined, s)
}

// Joined lists the subscriptions, in no order.
func (l *Lifetime[S]) Joined() []S {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list()
}

func (l *Lifetime[S]) list() []S {
	all := make([]S, 0, len(l.joined))
	for s := range l.joined {
		all = append(all, s)
	}
	return all
}

// Close closes the subscriptions side by side, waits for all calls, and then does what is last. Whoever closes again waits for the first,
// and has the same error.
func (l *Lifetime[S]) Close(last func() error) error {
	l.mu.Lock()
	if l.ended != nil {
		l.mu.Unlock()
		<-l.ended
		return l.failed
	}
	l.ended = make(chan struct{})
	all := l.list()
	l.mu.Unlock()
	defer close(l.ended)
	failures := make([]error, len(all))
	var leaving sync.WaitGroup
	for i, s := range all {
		leaving.Go(func() { failures[i] = s.Close() })
	}
	leaving.Wait()
	l.calls.Wait()
	l.failed = errors.Join(errors.Join(failures...), last())
	return l.failed
}
