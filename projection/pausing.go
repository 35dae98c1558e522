package projection

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// settingsLook is how often an engine looks for what operators have set in the store.
const settingsLook = time.Second

// pausing is whether a runner is paused. It is safe for concurrent use.
type pausing struct {
	mu      sync.Mutex
	resumed chan struct{} // closed when the pause ends; nil while there is none
}

// set begins or ends a pause; changed is false when it was so before.
func (p *pausing) set(paused bool) (changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if paused == (p.resumed != nil) {
		return false
	}
	if paused {
		p.resumed = make(chan struct{})
	} else {
		close(p.resumed)
		p.resumed = nil
	}
	return true
}

// until is closed when the pause ends; nil while there is none.
func (p *pausing) until() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resumed
}

// setPaused stops what follows the log, or lets it go on.
func (r *runner) setPaused(paused bool) {
	if r.pausing.set(paused) && paused {
		r.again()
	}
}

// again has the runner begin anew from the checkpoint in the store.
func (r *runner) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.interrupt != nil {
		r.interrupt(errMoved)
	}
}

// rest waits while the runner is paused.
func (r *runner) rest(ctx context.Context) {
	for resumed := r.pausing.until(); resumed != nil && ctx.Err() == nil; resumed = r.pausing.until() {
		r.progress.enter(Paused, nil)
		select {
		case <-resumed:
		case <-ctx.Done():
		}
	}
}

// watchSettings reads what operators have set, first before anything runs.
func (e *Engine) watchSettings(ctx context.Context, runners []*runner) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	look := func() {
		if err := e.readSettings(ctx, runners); err != nil && ctx.Err() == nil {
			e.logger.Warn("settings of projections not read, trying again", slog.Any("error", err))
		}
	}
	look()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(settingsLook)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				look()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
