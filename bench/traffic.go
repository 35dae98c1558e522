package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is so many callers who hand over so many messages at a time. A caller goes on when its messages are confirmed and handled,
// so that callers times batch are outstanding.
type traffic struct {
	callers int
	batch   int // at most 64
}

// The traffic of the contests: 256 messages outstanding, by a few callers with many messages each or by many with one, and a single one.
func inBatches() traffic   { return traffic{callers: 4, batch: 64} }
func oneByOne() traffic    { return traffic{callers: 256, batch: 1} }
func alone() traffic       { return traffic{callers: 1, batch: 1} }
func (t traffic) all() int { return t.callers * t.batch }

// parcel is a message on its way.
type parcel struct {
	key     string
	payload []byte
}

// carrier takes messages to a handler. send returns once the messages of a caller are confirmed. It is safe for concurrent use by
// different callers.
type carrier interface {
	send(ctx context.Context, caller int, batch []parcel) error
	close() error
}

// receiver is what a carrier calls with the payload of each message before it acknowledges it. It is safe for concurrent use.
type receiver func(payload []byte) error

// handledLimit is how long a caller waits for what it sent to be handled.
const handledLimit = 30 * time.Second

// crossing is one run's messages on their way.
type crossing struct {
	traffic

	lanes []lane
	keys  []parcel // with a payload each to begin with
}

// lane is a caller's. A message is known by its number: (round × callers + caller) × batch + place.
type lane struct {
	round   atomic.Int64
	handled atomic.Uint64 // a bit for each of the round's messages
	done    chan struct{}
	lasted  []time.Duration
}

// trafficKeys is how many keys the messages have.
const trafficKeys = 1000

func newCrossing(t traffic) *crossing {
	c := &crossing{traffic: t, lanes: make([]lane, t.callers), keys: make([]parcel, trafficKeys)}
	for i := range c.lanes {
		c.lanes[i].done = make(chan struct{}, 1)
	}
	for i := range c.keys {
		c.keys[i] = parcel{key: customerKey(i), payload: payloadFor(0, customerKey(i))}
	}
	return c
}

// The number of a message stands in its payload: {"order":"536-000000000",…
const (
	numberAt     = len(`{"order":"536-`)
	numberDigits = 9
)

// parcels makes the messages of a caller's round.
func (c *crossing) parcels(caller int, round int64) []parcel {
	batch := make([]parcel, c.batch)
	memory := make([]byte, c.batch*payloadBytes)
	first := (int(round)*c.callers + caller) * c.batch
	for i := range batch {
		from := &c.keys[(first+i)%trafficKeys]
		payload := memory[i*payloadBytes : (i+1)*payloadBytes : (i+1)*payloadBytes]
		copy(payload, from.payload)
		for n, at := first+i, numberAt+numberDigits-1; n > 0; n, at = n/10, at-1 {
			payload[at] = byte('0' + n%10)
		}
		batch[i] = parcel{key: from.key, payload: payload}
	}
	return batch
}

// receive is the handler: it notes that a message was handled. What comes again changes nothing.
func (c *crossing) receive(payload []byte) error {
	if len(payload) != payloadBytes {
		return fmt.Errorf("a message has %d bytes", len(payload))
	}
	n := 0
	for _, digit := range payload[numberAt : numberAt+numberDigits] {
		n = 10*n + int(digit-'0')
	}
	l := &c.lanes[n/c.batch%c.callers]
	if int64(n/c.all()) != l.round.Load() {
		return nil // of a round before
	}
	bit := uint64(1) << (n % c.batch)
	if before := l.handled.Or(bit); before&bit == 0 && bits.OnesCount64(before) == c.batch-1 {
		l.done <- struct{}{}
	}
	return nil
}

// round sends the messages of a caller's next round and waits until all are handled.
func (c *crossing) round(ctx context.Context, to carrier, caller int) error {
	l := &c.lanes[caller]
	round := l.round.Add(1)
	l.handled.Store(0)
	began := time.Now()
	if err := to.send(ctx, caller, c.parcels(caller, round)); err != nil {
		return err
	}
	if c.all() > 1 {
		return l.await(ctx)
	}
	err := l.await(ctx)
	l.lasted = append(l.lasted, time.Since(began))
	return err
}

func (l *lane) await(ctx context.Context) error {
	select { // mostly it is there already, or soon
	case <-l.done:
		return nil
	default:
	}
	limit := time.NewTimer(handledLimit)
	defer limit.Stop()
	select {
	case <-l.done:
		return nil
	case <-limit.C:
		return fmt.Errorf("%d of the messages sent were handled within %v", bits.OnesCount64(l.handled.Load()), handledLimit)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run sends messages for a duration. A round of each caller before the clock starts sees that the carrier is up.
func (c *crossing) run(ctx context.Context, to carrier, duration time.Duration) (result, error) {
	if err := together(c.callers, func(caller int) error { return c.round(ctx, to, caller) }); err != nil {
		return result{}, err
	}
	for i := range c.lanes {
		c.lanes[i].lasted = c.lanes[i].lasted[:0]
	}
	got, err := crowd(c.callers, duration, func(caller, _ int) error { return c.round(ctx, to, caller) })
	got.done *= int64(c.batch)
	if lasted := slices.Sorted(slices.Values(c.lanes[0].lasted)); len(lasted) > 0 {
		got.facts = map[string]float64{median: float64(lasted[len(lasted)/2].Nanoseconds()) / 1e3}
	}
	return got, err
}

// median is the fact that says how long a message took with nothing else on its way, in microseconds.
const median = "p50"

// route is a carrier by its name, opened by the first run and kept for the others.
type route struct {
	name, what string
	traffic    traffic
	open       func(ctx context.Context, handle receiver) (carrier, error)
}

// routes keeps the lines of a contest open.
type routes struct {
	mu   sync.Mutex
	open []carrier
}

// side is a route as a side of a contest.
func (r *routes) side(of route) side {
	var over *crossing
	var to carrier
	return side{
		name: of.name, unit: "messages", what: of.what,
		run: func(ctx context.Context, duration time.Duration) (result, error) {
			if to == nil {
				over = newCrossing(of.traffic)
				opened, err := of.open(ctx, over.receive)
				if err != nil {
					return result{}, err
				}
				to = opened
				r.mu.Lock()
				r.open = append(r.open, to)
				r.mu.Unlock()
			}
			return over.run(ctx, to, duration)
		},
	}
}

func (r *routes) close() error {
	var err error
	for _, l := range r.open {
		err = errors.Join(err, l.close())
	}
	return err
}
