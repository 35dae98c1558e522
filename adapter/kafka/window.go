package kafka

import (
	"context"
	"sync"
)

// windowBytes is how much may be on its way to the cluster, and messageBytes what a message takes beside its payload.
const (
	windowBytes  = 64 << 20
	messageBytes = 1 << 10
)

// window bounds what is on its way.
type window struct {
	mu      sync.Mutex
	free    int
	waiting int
	given   chan struct{} // closed when something is given back while somebody waits
}

func newWindow(size int) *window { return &window{free: size, given: make(chan struct{})} }

// take waits for room.
func (w *window) take(ctx context.Context, size int) error {
	w.mu.Lock()
	for w.free < size {
		w.waiting++
		given := w.given
		w.mu.Unlock()
		var err error
		select {
		case <-given:
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.mu.Lock()
		w.waiting--
		if err != nil {
			w.mu.Unlock()
			return err
		}
	}
	w.free -= size
	w.mu.Unlock()
	return nil
}

// give gives room back.
func (w *window) give(size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free += size
	if w.waiting > 0 {
		close(w.given)
		w.given = make(chan struct{})
	}
}
