package faultproxy

import (
	"fmt"
	"time"
)

// Fault is what a proxy does to connections, old and new. The zero value does nothing to them.
type Fault struct {
	name    string
	delay   time.Duration // of every piece
	rate    int           // bytes per second in each direction
	refuse  bool          // connections are closed
	reset   bool          // in place of an orderly close
	swallow bool          // what is sent goes nowhere
	stalled [2]bool       // by direction: what is sent waits
}

// Direction is one of the two directions of a connection.
type Direction int

// The directions.
const (
	ToServer Direction = iota
	ToClient
)

// Delay makes everything that is sent wait for a time.
func Delay(wait time.Duration) Fault {
	return Fault{name: fmt.Sprintf("delay of %v", wait), delay: wait}
}

// Slow lets so many bytes a second through, in each direction of each connection.
func Slow(bytesPerSecond int) Fault {
	return Fault{name: fmt.Sprintf("%d bytes per second", bytesPerSecond), rate: max(1, bytesPerSecond)}
}

// Cut closes all connections, and new ones as soon as they are made.
func Cut() Fault { return Fault{name: "cut", refuse: true} }

// Reset is [Cut] with a reset in place of an orderly close.
func Reset() Fault { return Fault{name: "reset", refuse: true, reset: true} }

// HalfOpen takes connections and everything that is sent, and answers nothing. The connections it was done to are dead: they are closed
// when it is over.
func HalfOpen() Fault { return Fault{name: "half-open", swallow: true} }

// OneWay lets nothing through in one direction. What was sent there goes on when it is over.
func OneWay(stalled Direction) Fault {
	f := Fault{name: "nothing to the server"}
	if stalled == ToClient {
		f.name = "nothing to the client"
	}
	f.stalled[stalled] = true
	return f
}

// String names the fault.
func (f Fault) String() string {
	if f.name == "" {
		return "none"
	}
	return f.name
}
