package sourcing

import (
	"context"
	"sync"
)

// locks makes commands for one key wait for each other within the process, so that they do not conflict in the log.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	free  chan struct{} // holds a token when nobody has the lock
	users int
}

// take takes the locks of several keys, sorted and without repetition, so that no two callers wait for each other. The returned
// function releases them.
func (l *locks) take(ctx context.Context, keys []string) (release func(), err error) {
	for i, key := range keys {
		if err := l.takeOne(ctx, key); err != nil {
			l.release(keys[:i])
			return nil, err
		}
	}
	return func() { l.release(keys) }, nil
}

func (l *locks) takeOne(ctx context.Context, key string) error {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[string]*lock)
	}
	k, ok := l.held[key]
	if !ok {
		l.held[key] = &lock{users: 1}
		l.mu.Unlock()
		return nil
	}
	if k.free == nil {
		k.free = make(chan struct{}, 1)
	}
	k.users++
	l.mu.Unlock()
	select {
	case <-k.free:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leave(key, k)
		return ctx.Err()
	}
}

func (l *locks) release(keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		k := l.held[key]
		if k.users > 1 {
			k.free <- struct{}{}
		}
		l.leave(key, k)
	}
}

func (l *locks) leave(key string, k *lock) {
	k.users--
	if k.users == 0 {
		delete(l.held, key)
	}
}
