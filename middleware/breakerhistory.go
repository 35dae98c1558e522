package middleware

import (
	"slices"
	"time"
)

// mostPeriods is how many periods a breaker remembers.
const mostPeriods = 256

// BreakerPeriod is a time a [Breaker] spent in one state: until the next begins.
type BreakerPeriod struct {
	State BreakerState
	// Since is when it began, in UTC.
	Since time.Time
}

// History tells the last periods of the breaker, at most 256, in order. The last is the state it is in.
func (b *Breaker) History() []BreakerPeriod {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.past)
}

// remember adds a period. The breaker is locked.
func (b *Breaker) remember(period BreakerPeriod) {
	if len(b.past) == mostPeriods {
		b.past = slices.Delete(b.past, 0, 1)
	}
	b.past = append(b.past, period)
}
