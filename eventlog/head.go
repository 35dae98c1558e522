package eventlog

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

// head is the highest position this process knows to be committed, and wakes those who wait for a higher one.
type head struct {
	at    atomic.Int64 // written under mu
	known atomic.Bool

	mu      sync.Mutex
	changed chan struct{} // closed when at rises; nil when nobody waits
}

// know asks the port once, so that the head is a lower bound for what is appended from here on.
func (h *head) know(ctx context.Context, port carillon.Log) error {
	if h.known.Load() {
		return nil
	}
	at, err := port.Head(ctx)
	if err != nil {
		return err
	}
	h.advance(at)
	h.known.Store(true)
	return nil
}

func (h *head) advance(to carillon.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if to <= h.position() {
		return
	}
	h.at.Store(int64(to))
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

func (h *head) position() carillon.Position { return carillon.Position(h.at.Load()) }

// beyond returns a channel that is closed once the head is known to be beyond a position; nil when it is already.
func (h *head) beyond(position carillon.Position) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.position() > position {
		return nil
	}
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.changed
}
