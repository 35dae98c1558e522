package postgres

import (
	"slices"
	"sync"
)

// attempts numbers the appends of a session, and remembers those whose outcome nobody knows until the database knows that they are given
// up.
type attempts struct {
	mu      sync.Mutex
	last    int64
	unknown []int64
	crowded int // appends to come that are not to try the short way
}

// crowdedFor is how many appends take the long way once another process was in the way of the short one.
const crowdedFor = 16

// short reports that the next append may try the short way.
func (a *attempts) short() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.crowded == 0 {
		return true
	}
	a.crowded--
	return false
}

// missed takes note that the short way was of no use.
func (a *attempts) missed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.crowded = crowdedFor
}

// begin returns the number of the next append, and those it has to give up.
func (a *attempts) begin() (number int64, givenUp []int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	return a.last, slices.Clone(a.unknown)
}

func (a *attempts) giveUp(number int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unknown = append(a.unknown, number)
}

// settled forgets appends that are given up for good.
func (a *attempts) settled(givenUp []int64) {
	if len(givenUp) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unknown = slices.DeleteFunc(a.unknown, func(number int64) bool { return slices.Contains(givenUp, number) })
}
