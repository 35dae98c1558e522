package middleware

import (
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/carillon-go/carillon"
)

// BreakerState is the state of a [Breaker].
type BreakerState uint8

// The states of a breaker.
const (
	BreakerClosed BreakerState = iota
	BreakerOpen
	BreakerHalfOpen
)

// String gives the state in words.
func (s BreakerState) String() string {
	switch s {
	case BreakerOpen:
		return "open"
	case BreakerHalfOpen:
		return "half-open"
	default:
		return "closed"
	}
}

func stateOf(state circuitbreaker.State) BreakerState {
	switch state {
	case circuitbreaker.OpenState:
		return BreakerOpen
	case circuitbreaker.HalfOpenState:
		return BreakerHalfOpen
	default:
		return BreakerClosed
	}
}

// BreakerStatus is what a [Breaker] knows at one moment.
type BreakerStatus struct {
	State BreakerState
	// Since is when the breaker came into the state, in UTC.
	Since time.Time
	// Failures is how many of the last Calls failed. Of an open breaker they are those that opened it, of a half-open one the probes.
	Failures, Calls int
	// Opened is how often the breaker has opened since it was made.
	Opened int
	// Refuses is how long an open breaker still refuses every call.
	Refuses time.Duration
}

// Status tells the breaker's state and counts.
func (b *Breaker) Status() BreakerStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	metrics := b.circuit.Metrics()
	return BreakerStatus{
		State: stateOf(b.circuit.State()), Since: b.since.UTC(), Failures: int(metrics.Failures()), Calls: int(metrics.Executions()),
		Opened: b.opened, Refuses: b.circuit.RemainingDelay(),
	}
}

// Describe describes the breaker, with the state it is in.
func (b *Breaker) Describe() carillon.Description {
	status := b.Status()
	return carillon.Description{Kind: "circuit breaker", Name: b.name, Detail: map[string]string{
		"state":       status.State.String(),
		"since":       status.Since.Format(time.RFC3339),
		"failures":    fmt.Sprintf("%d of %d calls", status.Failures, status.Calls),
		"opened":      fmt.Sprintf("%d times", status.Opened),
		"opens after": fmt.Sprintf("%d failures in %d calls", b.failures, b.calls),
		"stays open":  b.pause.String(),
		"probes":      fmt.Sprint(b.probes),
	}}
}
