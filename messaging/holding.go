package messaging

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// holding keeps the deliveries a consumer has from being given to others while it works on them.
type holding struct {
	extender carillon.Extender // nil where there is no deadline
	deadline time.Duration
	logger   *slog.Logger

	mu   sync.Mutex
	held map[*delivery]struct{}
}

func newHolding(subscription carillon.Subscription, deadline time.Duration, logger *slog.Logger) *holding {
	extender, _ := subscription.(carillon.Extender)
	return &holding{extender: extender, deadline: deadline, logger: logger, held: make(map[*delivery]struct{})}
}

func (h *holding) add(d *delivery) {
	if h.extender == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[d] = struct{}{}
}

func (h *holding) remove(d *delivery) {
	if h.extender == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, d)
}

// keep extends what is held, three times within a deadline, until the context ends.
func (h *holding) keep(ctx context.Context) {
	if h.extender == nil {
		return
	}
	ticker := time.NewTicker(h.deadline / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		h.mu.Lock()
		all := make([]carillon.Delivery, 0, len(h.held))
		for d := range h.held {
			if isLost(d) {
				delete(h.held, d)
				continue
			}
			all = append(all, d.Delivery)
		}
		h.mu.Unlock()
		if len(all) == 0 {
			continue
		}
		if err := h.extender.Extend(ctx, all); err != nil && ctx.Err() == nil {
			h.logger.Warn("deliveries not extended, they may come again", slog.Any("error", err))
		}
	}
}

// guard returns a context that ends when a delivery of a batch is given to somebody else.
func (h *holding) guard(ctx context.Context, batch []*delivery) (context.Context, func()) {
	guarded, cancel := context.WithCancel(ctx)
	seen := make(map[<-chan struct{}]bool, 1)
	for _, d := range batch {
		if d.Lost == nil || seen[d.Lost] {
			continue
		}
		seen[d.Lost] = true
		go func() {
			select {
			case <-d.Lost:
				cancel()
			case <-guarded.Done():
			}
		}()
	}
	return guarded, cancel
}

func isLost(d *delivery) bool {
	select {
	case <-d.Lost:
		return true
	default:
		return false
	}
}
