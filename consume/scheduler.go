package consume

import (
	"fmt"
	"math/rand/v2"

	"github.com/carillon-go/carillon"
)

// Settings bound a scheduler. A zero field has its default.
type Settings struct {
	// ReadAhead is how many deliveries are held that are neither done nor parked; 1024 by default.
	ReadAhead int
	// Span is how many deliveries may stand beyond the watermark, held or complete; 64 times ReadAhead by default. It bounds what
	// is repeated after a crash while one delivery is slow to complete.
	Span  int
	Retry Retry
	// Random spreads the pauses between attempts over all of their length; nil for full pauses.
	Random *rand.Rand
}

func (s Settings) withDefaults() Settings {
	if s.ReadAhead <= 0 {
		s.ReadAhead = 1024
	}
	if s.Span <= 0 {
		s.Span = 64 * s.ReadAhead
	}
	s.Retry = s.Retry.withDefaults()
	return s
}

// Task is a delivery in flight.
type Task[T any] struct {
	Delivery[T]
	// Attempt counts from 1.
	Attempt int

	slot int32
}

// Scheduler decides which delivery of a log runs next. It is deterministic: it starts no goroutine and reads no clock, and the
// same calls have the same results. It is not safe for concurrent use.
//
// Deliveries are offered in ascending order. Those of a key are in flight one at a time, in order; keys with work and none in
// flight are served first come, first served. Every task taken is given back once, by Done, Fail or Return.
type Scheduler[T any] struct {
	settings Settings
	window   window
	slots    []slot[T]
	freeSlot int32
	held     int
	lanes    []lane
	freeLane int32
	keys     keyTable
	ready    laneQueue // the run queue
	parking  laneQueue // parked lanes with deliveries to hand out
	waiting  waitingLanes
	waits    uint64 // lanes that ever waited
}

// slot holds a delivery.
type slot[T any] struct {
	delivery Delivery[T]
	ordinal  uint64
	lane     int32
	next     int32 // of the lane, or of the free slots
	handing  bool
}

// NewScheduler makes a scheduler for the deliveries after a position.
func NewScheduler[T any](after carillon.Position, settings Settings) *Scheduler[T] {
	return &Scheduler[T]{
		settings: settings.withDefaults(),
		window:   window{watermark: after},
		freeSlot: none,
		freeLane: none,
		keys:     newKeyTable(),
		ready:    newLaneQueue(),
		parking:  newLaneQueue(),
	}
}

// Room is how many more deliveries can be offered now.
func (s *Scheduler[T]) Room() int {
	return max(0, min(s.settings.ReadAhead-s.held, s.settings.Span-s.window.len()))
}

// Held is how many deliveries are neither done nor parked.
func (s *Scheduler[T]) Held() int { return s.held }

// Ready is how many deliveries Take would give.
func (s *Scheduler[T]) Ready() int { return s.ready.n }

// Watermark is the highest position such that it and everything offered before it is done or parked or was skipped.
func (s *Scheduler[T]) Watermark() carillon.Position { return s.window.watermark }

// Offer adds a delivery behind all others. It returns [ErrFull] when there is no room, and an [carillon.ErrInvalid] when the
// position is not above every position offered or skipped before; the delivery is not added then.
func (s *Scheduler[T]) Offer(delivery Delivery[T]) error {
	if last := s.window.last(); delivery.Position <= last {
		return carillon.Invalidf(fmt.Sprintf("delivery at position %d", delivery.Position), "positions ascend, the last was %d", last)
	}
	if s.Room() == 0 {
		return ErrFull
	}
	at := s.laneOf(delivery.Key)
	index := s.takeSlot()
	s.slots[index] = slot[T]{delivery: delivery, ordinal: s.window.offer(delivery.Position), lane: at, next: none}
	s.held++
	l := &s.lanes[at]
	if l.first == none {
		l.first = index
	} else {
		s.slots[l.last].next = index
	}
	l.last = index
	switch {
	case l.state == laneIdle:
		s.makeReady(at)
	case l.state == laneParked && !l.queued:
		l.queued = true
		s.parking.push(s.lanes, at)
	}
	return nil
}

// Skip says that the events up to a position that were not offered are nobody's concern. It takes no room.
func (s *Scheduler[T]) Skip(through carillon.Position) { s.window.skip(through) }

// Take fills tasks with deliveries that are to run now, and returns how many there were.
func (s *Scheduler[T]) Take(tasks []Task[T]) int {
	n := min(len(tasks), s.ready.n)
	for i := range tasks[:n] {
		l := &s.lanes[s.ready.pop(s.lanes)]
		l.state = laneInFlight
		attempt := 1
		if l.failing != nil {
			attempt = l.failing.attempts + 1
		}
		tasks[i] = Task[T]{Delivery: s.slots[l.first].delivery, Attempt: attempt, slot: l.first}
	}
	return n
}

// Done completes a delivery.
func (s *Scheduler[T]) Done(task Task[T]) {
	at := s.inFlight(task)
	l := &s.lanes[at]
	l.failing = nil
	s.complete(s.shift(l))
	if l.first != none {
		s.makeReady(at)
		return
	}
	l.state = laneIdle
	s.dropIdle(at)
}

// Return gives back a delivery that was not run, or whose run does not count because it was cut short. It is the next of its
// key, at the head of the run queue, and its attempts are what they were.
func (s *Scheduler[T]) Return(task Task[T]) {
	at := s.inFlight(task)
	s.lanes[at].state = laneReady
	s.ready.pushFront(s.lanes, at)
}

// inFlight returns the lane of a task, and panics when the task was given back before.
func (s *Scheduler[T]) inFlight(task Task[T]) int32 {
	slot := &s.slots[task.slot]
	if slot.lane == none || s.lanes[slot.lane].state != laneInFlight || s.lanes[slot.lane].first != task.slot ||
		slot.delivery.Position != task.Position {
		panic(fmt.Sprintf("consume: the delivery at position %d is not in flight", task.Position))
	}
	return slot.lane
}

func (s *Scheduler[T]) makeReady(at int32) {
	s.lanes[at].state = laneReady
	s.ready.push(s.lanes, at)
}

// shift takes the first slot out of a lane.
func (s *Scheduler[T]) shift(l *lane) int32 {
	index := l.first
	l.first = s.slots[index].next
	if l.first == none {
		l.last = none
	}
	return index
}

// complete lets go of a delivery.
func (s *Scheduler[T]) complete(index int32) {
	s.window.complete(s.slots[index].ordinal)
	s.slots[index] = slot[T]{lane: none, next: s.freeSlot}
	s.freeSlot = index
	s.held--
}

func (s *Scheduler[T]) takeSlot() int32 {
	if s.freeSlot == none {
		s.slots = append(s.slots, slot[T]{})
		return int32(len(s.slots) - 1)
	}
	index := s.freeSlot
	s.freeSlot = s.slots[index].next
	return index
}

// laneOf finds the lane of a key, or makes one.
func (s *Scheduler[T]) laneOf(key string) int32 {
	var hash uint64
	if key != "" {
		hash = s.keys.hash(key)
		if at := s.keys.find(s.lanes, key, hash); at != none {
			return at
		}
	}
	at := s.freeLane
	if at == none {
		s.lanes = append(s.lanes, lane{})
		at = int32(len(s.lanes) - 1)
	} else {
		s.freeLane = s.lanes[at].next
	}
	s.lanes[at] = lane{key: key, hash: hash, chain: none, first: none, last: none, next: none}
	if key != "" {
		s.keys.add(s.lanes, at)
	}
	return at
}

// dropIdle forgets a lane without deliveries that nothing needs to be remembered of.
func (s *Scheduler[T]) dropIdle(at int32) {
	l := &s.lanes[at]
	keep := l.state == laneParked && l.key != ""
	if l.first != none || keep {
		return
	}
	if l.key != "" {
		s.keys.remove(s.lanes, at)
	}
	*l = lane{next: s.freeLane}
	s.freeLane = at
}
