package sqlite

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// readers lends read-only connections, opening them as they are needed.
type readers struct {
	path  string
	slots chan struct{}

	mu     sync.Mutex
	idle   []*connection
	closed bool
}

func newReaders(path string) *readers {
	return &readers{path: path, slots: make(chan struct{}, max(4, runtime.GOMAXPROCS(0)))}
}

// read lends a connection to fn. A cancelled context interrupts the statement that runs.
func (s *Store) read(ctx context.Context, fn func(*connection) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	conn, err := s.readers.take(ctx)
	if err != nil {
		return translate(err)
	}
	conn.SetInterrupt(ctx)
	err = fn(conn)
	conn.SetInterrupt(context.Background())
	if errors.Is(err, sqlite3.INTERRUPT) && ctx.Err() != nil {
		err = ctx.Err()
	}
	return errors.Join(translate(err), s.readers.put(conn))
}

func (r *readers) take(ctx context.Context) (*connection, error) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		<-r.slots
		return nil, carillon.ErrClosed
	}
	if n := len(r.idle); n > 0 {
		conn := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return conn, nil
	}
	r.mu.Unlock()
	conn, err := openReader(ctx, r.path)
	if err != nil {
		<-r.slots
		return nil, err
	}
	return conn, nil
}

func (r *readers) put(conn *connection) error {
	defer func() { <-r.slots }()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return conn.close()
	}
	r.idle = append(r.idle, conn)
	return nil
}

// close waits until every connection is back.
func (r *readers) close() error {
	r.mu.Lock()
	r.closed = true
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	var err error
	for _, conn := range idle {
		err = errors.Join(err, conn.close())
	}
	for range cap(r.slots) {
		r.slots <- struct{}{}
	}
	for range cap(r.slots) {
		<-r.slots
	}
	return err
}
