package consume

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
)

// outageEvery is how often it is logged, at most, that deliveries wait for what is unavailable.
const outageEvery = time.Minute

// outage is the time in which deliveries wait for something that is unavailable. It is logged when it begins, once a minute while it lasts,
// and when the last of them got through; one that begins within a minute of what was logged last is first given the time to pass. It is safe
// for concurrent use.
type outage struct {
	waiting atomic.Int32 // how many there are, for whoever has nothing to note

	mu      sync.Mutex
	refused map[carillon.Position]struct{}
	tries   int // that were refused
	began   time.Time
	said    bool // that there is one
	logged  time.Time
}

// refuse notes a try that was refused.
func (o *outage) refuse(logger *slog.Logger, at carillon.Position, key string, cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if len(o.refused) == 0 {
		o.refused = make(map[carillon.Position]struct{})
		o.began, o.tries, o.said = now, 0, false
	}
	o.refused[at] = struct{}{}
	o.waiting.Store(int32(len(o.refused)))
	o.tries++
	if !o.logged.IsZero() && now.Sub(o.logged) < outageEvery {
		return
	}
	o.said, o.logged = true, now
	logger.Warn("deliveries wait for what is unavailable", slog.Time("since", o.began), slog.Int("deliveries", len(o.refused)),
		slog.Int("tries", o.tries), position(at), slog.String("key", key), slog.Any("error", cause))
}

// pass notes a try that came to something else.
func (o *outage) pass(logger *slog.Logger, at carillon.Position) {
	if o.waiting.Load() == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, waited := o.refused[at]; !waited {
		return
	}
	delete(o.refused, at)
	o.waiting.Store(int32(len(o.refused)))
	if len(o.refused) == 0 && o.said {
		logger.Info("no delivery waits any more for what was unavailable", slog.Duration("after", time.Since(o.began)), slog.Int("tries", o.tries))
	}
}
