// Package memory is the reference store: every port in plain Go, the shortest code that keeps the rules. Nothing survives the
// process, so it serves tests and examples.
//
// Guarantees: those of the ports, except durability, of which there is none.
package memory

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

// Store is a volatile store. It opens itself, so what was appended is still there after a close and another open, as long as
// the process lives.
type Store struct {
	log       *Log
	models    *readModels
	snapshots *snapshots
	topics    *topics
	closed    atomic.Bool
}

// Volatile makes an empty store that dies with the process.
func Volatile() *Store {
	s := &Store{topics: newTopics()}
	s.log = newLog(&s.closed)
	s.models = newReadModels(&s.closed, s.topics)
	s.snapshots = newSnapshots(&s.closed)
	return s
}

// Open opens the store, again if it was closed.
func (s *Store) Open(ctx context.Context) (carillon.Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.closed.Store(false)
	return s, nil
}

// Log returns the event log.
func (s *Store) Log() carillon.Log { return s.log }

// ReadModels returns the read models.
func (s *Store) ReadModels() carillon.ReadModels { return s.models }

// Snapshots returns the snapshot cache.
func (s *Store) Snapshots() carillon.Snapshots { return s.snapshots }

// DeadLetters returns the parked events.
func (s *Store) DeadLetters() carillon.DeadLetters { return (*deadLetters)(s.models) }

// Close waits for what is under way, and makes every later call fail with [carillon.ErrClosed] until the store is opened again.
func (s *Store) Close() error {
	s.closed.Store(true)
	for _, part := range []sync.Locker{&s.log.mu, &s.models.mu, &s.snapshots.mu} {
		await(part)
	}
	return nil
}

// await returns once nobody holds a lock who took it before; whoever takes it later sees that the store is closed.
func await(part sync.Locker) {
	part.Lock()
	defer part.Unlock()
}

// Describe names the store.
func (s *Store) Describe() carillon.Description {
	return carillon.Description{Kind: "store", Name: "memory", Detail: map[string]string{"durability": "none"}}
}

// usable reports why a call cannot be served, if it cannot.
func usable(ctx context.Context, closed *atomic.Bool) error {
	if closed.Load() {
		return carillon.ErrClosed
	}
	return ctx.Err()
}
