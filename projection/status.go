package projection

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// State is what a projection or reactor is doing.
type State string

// The states.
const (
	// Stopped: the engine does not run.
	Stopped State = "stopped"
	// CatchingUp: there is history to go through.
	CatchingUp State = "catching up"
	// Live: it has seen the end of the log and follows it.
	Live State = "live"
	// Paused: somebody has paused it, see [Engine.Pause].
	Paused State = "paused"
	// Rebuilding: its folds have changed; the old rows are served while new ones are made.
	Rebuilding State = "rebuilding"
	// Outdated: a newer version of the program keeps the read model, and this one leaves it alone.
	Outdated State = "outdated"
	// Elsewhere: another process runs it, or some of its segments.
	Elsewhere State = "elsewhere"
	// Failing: an event or the store stops it; it keeps trying.
	Failing State = "failing"
)

// Status is where a projection or reactor stands.
type Status struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"`
	State    State             `json:"state"`
	Position carillon.Position `json:"position"`
	// Lag is how many events the log is ahead.
	Lag int64 `json:"lag"`
	// Rate is events per second over the last seconds of work.
	Rate float64 `json:"rate"`
	// Error is what stops it, while it is failing.
	Error string `json:"error,omitempty"`
}

// with is the status of two segments together: the slower one's position, and the worse state.
func (s Status) with(other Status) Status {
	worse := map[State]int{Live: 0, Elsewhere: 1, CatchingUp: 2, Rebuilding: 3, Outdated: 4, Paused: 5, Stopped: 6, Failing: 7}
	if worse[other.State] > worse[s.State] {
		s.State, s.Error = other.State, other.Error
	}
	s.Position, s.Lag, s.Rate = min(s.Position, other.Position), max(s.Lag, other.Lag), s.Rate+other.Rate
	return s
}

// rateWindow is how long events are counted before the rate moves.
const rateWindow = time.Second

// progress is how far a runner has come. It is safe for concurrent use.
type progress struct {
	mu       sync.Mutex
	position carillon.Position
	known    bool
	changed  chan struct{} // closed when the position rises; nil when nobody waits
	waiting  int           // how many wait for a position
	urgent   chan struct{} // closed when somebody begins to wait; nil when nobody asked
	state    State
	failure  error
	counted  int64
	since    time.Time
	rate     float64
}

// reach notes that everything up to a position is handled.
func (p *progress) reach(position carillon.Position, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known && position > p.position {
		p.count(int64(position-p.position), now)
	}
	p.position, p.known = position, true
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

func (p *progress) count(events int64, now time.Time) {
	if p.since.IsZero() {
		p.since = now
	}
	p.counted += events
	if took := now.Sub(p.since); took >= rateWindow {
		p.rate = float64(p.counted) / took.Seconds()
		p.counted, p.since = 0, now
	}
}

func (p *progress) enter(state State, failure error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.failure = state, failure
}

// hurry returns a channel that is closed when somebody waits for a position, now or later.
func (p *progress) hurry() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	urgent := make(chan struct{})
	if p.waiting > 0 {
		close(urgent)
	} else {
		p.urgent = urgent
	}
	return urgent
}

// enterWait and leaveWait count those who wait.
func (p *progress) enterWait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting++
	if p.urgent != nil {
		close(p.urgent)
		p.urgent = nil
	}
}

func (p *progress) leaveWait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
}

// wait returns once the position is reached.
func (p *progress) wait(ctx context.Context, name string, position carillon.Position) error {
	p.enterWait()
	defer p.leaveWait()
	for {
		p.mu.Lock()
		if p.known && p.position >= position {
			p.mu.Unlock()
			return nil
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed, at, state, failure := p.changed, p.position, p.state, p.failure
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ctx.Err()
			}
			err := fmt.Errorf("read model %q is at position %d (%s), waited for %d: %w", name, at, state, position, carillon.ErrTimeout)
			if failure != nil {
				err = fmt.Errorf("%w: %w", err, failure)
			}
			return err
		}
	}
}

func (p *progress) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := Status{State: p.state, Position: p.position, Rate: p.rate}
	if p.failure != nil {
		status.Error = p.failure.Error()
	}
	return status
}
