package projection

import (
	"math/rand/v2"
	"sync"
	"time"
)

// chance is a source of randomness that an engine's goroutines share. Its zero value draws from the process's.
type chance struct {
	mu     sync.Mutex
	random *rand.Rand
}

// WithRandom sets the source of randomness for pauses and for the order in which free segments are claimed. The engine alone uses it.
// Default: one seeded at random.
func WithRandom(random *rand.Rand) EngineOption {
	return func(e *Engine) { e.chance.random = random }
}

// fork makes a source for one goroutine.
func (c *chance) fork() *rand.Rand {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.random == nil {
		return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return rand.New(rand.NewPCG(c.random.Uint64(), c.random.Uint64()))
}

// about draws something between half a pause and all of it.
func about(random *rand.Rand, pause time.Duration) time.Duration {
	return pause/2 + time.Duration(random.Int64N(int64(pause/2)))
}
