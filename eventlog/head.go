package eventlog

import (
	"context"
	"sync"

	"github.com/carillon-go/carillon"
)

// head is the highest position this process knows to be committed, and wakes those who wait for a higher one.
type head struct {
	mu      sync.Mutex
	at      carillon.Position
	known   bool
	changed chan struct{} // closed when at rises; nil when nobody waits
}

// know asks the port once, so that the head is a lower bound for what is appended from here on.
func (h *head) know(ctx context.Context, port carillon.Log) error {
	h.mu.Lock()
	known := h.known
	h.mu.Unlock()
	if known {
		return nil
	}
	at, err := port.Head(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.known = true
	h.mu.Unlock()
	h.advance(at)
	return nil
}

func (h *head) advance(to carillon.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if to <= h.at {
		return
	}
	h.at = to
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

func (h *head) position() carillon.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

// beyond returns a channel that is closed once the head is known to be beyond a position; nil when it is already.
func (h *head) beyond(position carillon.Position) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at > position {
		return nil
	}
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.changed
}
