// Package watermark tells how far everything is settled, where deliveries are settled in any order.
package watermark

import "sort"

// Tracker follows the positions of one partition. It is not safe for concurrent use.
type Tracker struct {
	items  []item // from first on: ascending, beginning with one that is not settled
	first  int
	open   int
	passed int64 // the highest position that was added or passed
}

type item struct {
	position int64
	settled  bool
}

// New tracks what stands behind a position: everything up to it is settled.
func New(start int64) *Tracker { return &Tracker{passed: start} }

// Add adds a position that is to be settled. Positions come in ascending order; one that is not behind those before it is passed over.
func (t *Tracker) Add(position int64) {
	if position <= t.passed {
		return
	}
	t.items = append(t.items, item{position: position})
	t.open++
	t.passed = position
}

// Pass says that nothing is to be settled up to a position but what was added.
func (t *Tracker) Pass(position int64) { t.passed = max(t.passed, position) }

// Done settles a position, and reports whether it was added and not settled before.
func (t *Tracker) Done(position int64) bool {
	rest := t.items[t.first:]
	i := 0
	if len(rest) > 0 && rest[0].position != position { // mostly it is the first
		i = sort.Search(len(rest), func(i int) bool { return rest[i].position >= position })
	}
	if i == len(rest) || rest[i].position != position || rest[i].settled {
		return false
	}
	rest[i].settled = true
	t.open--
	for t.first < len(t.items) && t.items[t.first].settled {
		t.first++
	}
	if t.first > 64 && 2*t.first > len(t.items) { // so that memory is used again, and each is moved once
		t.items = t.items[:copy(t.items, t.items[t.first:])]
		t.first = 0
	}
	return true
}

// Mark returns the highest position known up to which everything is settled.
func (t *Tracker) Mark() int64 {
	if t.first < len(t.items) {
		return t.items[t.first].position - 1
	}
	return t.passed
}

// Open returns how many positions are not settled.
func (t *Tracker) Open() int { return t.open }

// Ahead returns how many positions are settled behind one that is not.
func (t *Tracker) Ahead() int { return len(t.items) - t.first - t.open }
