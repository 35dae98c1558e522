package simulation

import (
	"slices"
	"time"
)

// queue is a lock of the database. Those who wait for it get it in the order in which they came. It is used under the world's lock.
type queue struct {
	held    bool
	waiting []chan struct{}
}

// take takes the lock. The caller holds the world's lock, which is let go meanwhile.
func (w *world) take(q *queue) {
	if !q.held {
		q.held = true
		return
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	w.mu.Unlock()
	select {
	case <-turn:
	case <-w.halt:
	}
	w.mu.Lock()
}

// give gives the lock to whoever waits longest.
func (q *queue) give() {
	if len(q.waiting) == 0 {
		q.held = false
		return
	}
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	close(next)
}

// gate is closed while something has to be waited out by everybody. It is used under the world's lock.
type gate struct {
	closed int
	opened chan struct{}
}

func (g *gate) shut() {
	g.closed++
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.closed--
	if g.closed == 0 {
		close(g.opened)
		g.opened = nil
	}
}

// through returns when the gate is open. The caller holds the world's lock, which is let go meanwhile. Of those who wait for one gate, what
// they ask for decides who comes first.
func (w *world) through(g *gate, what string) {
	for g.closed > 0 && !w.halted {
		opened := g.opened
		w.mu.Unlock()
		select {
		case <-opened:
		case <-w.halt:
		}
		w.pass(between(w.roll("gate "+what), time.Microsecond, time.Millisecond))
		w.mu.Lock()
	}
}
