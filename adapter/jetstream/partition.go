package jetstream

import (
	"time"

	"github.com/carillon-go/carillon"
)

// partition is a part of a topic that this consumer owns, or has owned. The subscription's lock guards it.
type partition struct {
	number   int
	revision uint64 // of the claim that made it ours
	base     position
	lost     chan struct{} // closed when gone
	gone     bool
	draining time.Time // when others may have it, once nothing is unsettled; zero when it stays
	reader   *reader

	buffer   queue  // read and not handed out
	received uint64 // the last message that was read
	last     uint64 // the last one handed out
	count    int64  // how many were

	first, newest *entry // the unsettled, in order
	unsettled     int64
}

// arrival is a message that was read.
type arrival struct {
	sequence uint64
	settled  bool // by an earlier owner
	message  carillon.Message
}

// queue holds arrivals in order. It keeps its memory, which what is asked for bounds.
type queue struct {
	items []arrival
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(a *arrived, settled bool) {
	if q.head > 0 && len(q.items) == cap(q.items) { // make room in front
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, arrival{a.sequence, settled, a.message})
}

// first returns up to n arrivals, which are good until drop.
func (q *queue) first(n int) []arrival { return q.items[q.head:][:min(n, q.len())] }

func (q *queue) drop(n int) {
	clear(q.items[q.head : q.head+n])
	if q.head += n; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
}

// entry is a delivery that is not settled.
type entry struct {
	partition      *partition
	sequence       uint64
	before         uint64 // the message in front of it
	index          int64
	deadline       time.Time
	previous, next *entry
	settled        bool
}

func newPartition(number int, revision uint64, base position) *partition {
	return &partition{
		number: number, revision: revision, base: base, lost: make(chan struct{}), received: base.Floor, last: base.Floor,
	}
}

// take hands out at most limit messages.
func (p *partition) take(deliveries []carillon.Delivery, limit int, deadline time.Time) []carillon.Delivery {
	n := 0
	waiting := p.buffer.first(p.buffer.len())
	entries := make([]entry, min(limit, len(waiting)))
	for n < len(waiting) && limit > 0 {
		a := &waiting[n]
		n++
		before := p.last
		p.last = a.sequence
		p.count++
		if a.settled {
			continue
		}
		e := &entries[0]
		entries = entries[1:]
		*e = entry{partition: p, sequence: a.sequence, before: before, index: p.count, deadline: deadline, previous: p.newest}
		if p.newest == nil {
			p.first = e
		} else {
			p.newest.next = e
		}
		p.newest = e
		p.unsettled++
		limit--
		deliveries = append(deliveries, carillon.Delivery{
			Message: a.message, Attempt: p.base.attempt(a.sequence), Lost: p.lost, Handle: e,
		})
	}
	p.buffer.drop(n)
	return deliveries
}

// settle takes a delivery out, and reports whether it was unsettled.
func (p *partition) settle(e *entry) bool {
	if e.settled || p.gone {
		return false
	}
	e.settled = true
	if e.previous == nil {
		p.first = e.next
	} else {
		e.previous.next = e.next
	}
	if e.next == nil {
		p.newest = e.previous
	} else {
		e.next.previous = e.previous
	}
	e.previous, e.next = nil, nil
	p.unsettled--
	return true
}

// leave ends the ownership as far as this process is concerned: deliveries are lost, the position stays as it is.
func (p *partition) leave() {
	if p.gone {
		return
	}
	p.gone = true
	p.buffer = queue{}
	close(p.lost)
}

// expired reports whether a delivery's deadline has passed.
func (p *partition) expired(now time.Time) bool {
	for e := p.first; e != nil; e = e.next {
		if now.After(e.deadline) {
			return true
		}
	}
	return false
}

// position is how far everything is settled.
func (p *partition) position() position {
	at := position{Stream: p.base.Stream, Floor: p.last, Through: p.last, Unsettled: p.unsettled}
	if p.first != nil {
		at.Floor = p.first.before
	}
	for e := p.first; e != nil && len(at.Done) < mostSpans; e = e.next {
		to, count := p.last, p.count-e.index
		if e.next != nil {
			to, count = e.next.before, e.next.index-e.index-1
		}
		if count > 0 {
			at.Done = append(at.Done, span{From: e.sequence, To: to, Count: count})
		}
	}
	for _, s := range p.base.Done { // those that are still to come
		if s.To > p.last && len(at.Done) < mostSpans {
			at.Done = append(at.Done, span{From: max(s.From, p.last), To: s.To, Count: s.Count})
		}
	}
	at.Given = above(p.base.Given, at.Floor)
	return at
}
