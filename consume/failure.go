package consume

import (
	"container/heap"
	"time"
)

// Fail reports a failed attempt. The key waits for its next attempt, or, when the attempts are used up or the error is
// [Permanent], is parked: the delivery and those of its key behind it become letters.
func (s *Scheduler[T]) Fail(task Task[T], cause error, now time.Time) {
	at := s.inFlight(task)
	l := &s.lanes[at]
	if l.failing == nil {
		l.failing = &failing{first: now}
	}
	f := l.failing
	f.attempts++
	f.cause, f.last = cause, now
	if f.attempts >= s.settings.Retry.Attempts || isPermanent(cause) {
		l.state, l.queued = laneParked, true
		s.parking.push(s.lanes, at)
		return
	}
	l.state = laneWaiting
	s.waits++
	due := now.Add(s.settings.Retry.pause(f.attempts, s.settings.Random))
	heap.Push(&s.waiting, waitingLane{due: due, order: s.waits, lane: at})
}

// NextWake is how long it is until Wake has something to do; ok is false when no delivery waits for its next attempt.
func (s *Scheduler[T]) NextWake(now time.Time) (wait time.Duration, ok bool) {
	if len(s.waiting) == 0 {
		return 0, false
	}
	return max(0, s.waiting[0].due.Sub(now)), true
}

// Wake makes the deliveries ready whose next attempt is due, in the order they are due.
func (s *Scheduler[T]) Wake(now time.Time) {
	for len(s.waiting) > 0 && !s.waiting[0].due.After(now) {
		s.makeReady(heap.Pop(&s.waiting).(waitingLane).lane)
	}
}

// waitingLane is a lane that waits for its next attempt.
type waitingLane struct {
	due   time.Time
	order uint64
	lane  int32
}

// waitingLanes is a heap, the next due first.
type waitingLanes []waitingLane

func (w *waitingLanes) Len() int { return len(*w) }

func (w *waitingLanes) Less(i, j int) bool {
	first, second := &(*w)[i], &(*w)[j]
	if c := first.due.Compare(second.due); c != 0 {
		return c < 0
	}
	return first.order < second.order
}

func (w *waitingLanes) Swap(i, j int) { (*w)[i], (*w)[j] = (*w)[j], (*w)[i] }

func (w *waitingLanes) Push(x any) { *w = append(*w, x.(waitingLane)) }

func (w *waitingLanes) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	*w = (*w)[:last]
	return x
}
