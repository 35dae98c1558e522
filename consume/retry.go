package consume

import (
	"math/rand/v2"
	"time"
)

// Retry says how often and after what pauses a failing delivery is tried. A zero field has its default.
type Retry struct {
	// Attempts is how often a delivery is tried in all; 5 by default.
	Attempts int
	// First and Last bound the pause between attempts, which doubles from one to the other; 100 ms and 30 s by default.
	First, Last time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.First <= 0 {
		r.First = 100 * time.Millisecond
	}
	if r.Last <= 0 {
		r.Last = 30 * time.Second
	}
	return r
}

// pause is the wait after so many failures: anything up to the doubled pause with a source of randomness, all of it without.
func (r Retry) pause(failures int, random *rand.Rand) time.Duration {
	pause := r.Last
	if doubled := min(failures-1, 62); r.First <= r.Last>>doubled {
		pause = r.First << doubled
	}
	if random == nil {
		return pause
	}
	return time.Duration(random.Int64N(int64(pause) + 1))
}
