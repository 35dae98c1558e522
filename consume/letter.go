package consume

import (
	"errors"
	"fmt"
	"time"
)

// Letter is a delivery to be parked: the first of its key has failed for good, the later ones stand behind it.
type Letter[T any] struct {
	Delivery Delivery[T]
	// Cause is the last failure, or [ErrBehind] for a delivery behind a parked one.
	Cause error
	// Attempts is how often the delivery was tried: 0 behind a parked one.
	Attempts int
	// First and Last are the times of the first and the last failure; zero when there was none.
	First, Last time.Time
	// Stack is where the handler panicked, empty when it did not.
	Stack string

	slot int32
}

// Park marks a key as parked, as it was found in the store: its deliveries become letters. It is called before the first
// delivery of the key is offered. An empty key is ignored.
func (s *Scheduler[T]) Park(key string) {
	if key == "" {
		return
	}
	l := &s.lanes[s.laneOf(key)]
	if l.first != none || l.handing > 0 {
		panic(fmt.Sprintf("consume: key %q has deliveries already", key))
	}
	l.state = laneParked
}

// Release ends the parking of a key: its deliveries run again, those first that are held and not handed out. It returns false,
// and changes nothing, while letters of the key are handed out and not confirmed. A key that is not parked is released.
func (s *Scheduler[T]) Release(key string) bool {
	at := s.keys.find(s.lanes, key, s.keys.hash(key))
	if at == none || s.lanes[at].state != laneParked {
		return true
	}
	l := &s.lanes[at]
	if l.handing > 0 {
		return false
	}
	l.state, l.failing = laneIdle, nil
	if l.queued {
		l.queued = false
		s.unpark(at)
	}
	if l.first != none {
		s.makeReady(at)
	}
	s.dropIdle(at)
	return true
}

// isHanding reports whether letters of a key are handed out and not confirmed.
func (s *Scheduler[T]) isHanding(key string) bool {
	at := s.keys.find(s.lanes, key, s.keys.hash(key))
	return at != none && s.lanes[at].handing > 0
}

// unpark takes a lane off the parking queue.
func (s *Scheduler[T]) unpark(at int32) {
	for range s.parking.n {
		if other := s.parking.pop(s.lanes); other != at {
			s.parking.push(s.lanes, other)
		}
	}
}

// Prepare says what is to be made durable now: the letters handed out before and not confirmed, with more appended up to a
// limit, and the watermark as it will be once they are parked. Whoever writes both in one transaction calls Parked afterwards;
// whoever cannot writes the letters, calls Parked, and then writes Watermark.
func (s *Scheduler[T]) Prepare(letters []Letter[T], limit int) Commit[T] {
	for s.parking.n > 0 && len(letters) < limit {
		at := s.parking.first
		l := &s.lanes[at]
		for l.first != none && len(letters) < limit {
			letters = append(letters, s.handOut(l))
		}
		if l.first == none {
			s.parking.pop(s.lanes)
			l.queued = false
		}
	}
	commit := Commit[T]{Letters: letters}
	commit.Through, commit.passed = s.window.prospect()
	return commit
}

// handOut makes a letter of the first delivery of a lane.
func (s *Scheduler[T]) handOut(l *lane) Letter[T] {
	index := s.shift(l)
	slot := &s.slots[index]
	slot.handing = true
	s.window.at(slot.ordinal).state = markHanding
	l.handing++
	letter := Letter[T]{Delivery: slot.delivery, Cause: ErrBehind, slot: index}
	if f := l.failing; f != nil {
		letter.Cause, letter.Attempts, letter.First, letter.Last = f.cause, f.attempts, f.first, f.last
		var panicked *PanicError
		if errors.As(f.cause, &panicked) {
			letter.Stack = panicked.Stack
		}
		l.failing = nil
	}
	return letter
}

// Parked confirms letters that are in the store, which completes their deliveries. It panics when a letter was not handed out.
func (s *Scheduler[T]) Parked(letters ...Letter[T]) {
	for i := range letters {
		slot := &s.slots[letters[i].slot]
		if !slot.handing || slot.delivery.Position != letters[i].Delivery.Position {
			panic(fmt.Sprintf("consume: the delivery at position %d is not handed out", letters[i].Delivery.Position))
		}
		at := slot.lane
		s.lanes[at].handing--
		s.complete(letters[i].slot)
		s.dropIdle(at)
	}
}
