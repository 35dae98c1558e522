package consume

import "github.com/carillon-go/carillon"

// window is what was offered beyond the watermark, in order: a ring of marks that grows as needed. Each mark has an ordinal,
// counted from the first delivery ever offered.
type window struct {
	marks     []mark // a power of two of them
	first     uint64 // the ordinal behind the watermark
	end       uint64 // the ordinal of the next offer
	watermark carillon.Position
}

type mark struct {
	through carillon.Position // of the delivery, or of the events of no concern behind it
	state   markState
}

type markState uint8

const (
	markOpen    markState = iota
	markHanding           // handed out to be parked
	markComplete
)

const firstMarks = 64

func (w *window) len() int { return int(w.end - w.first) }

func (w *window) at(ordinal uint64) *mark { return &w.marks[ordinal&uint64(len(w.marks)-1)] }

// last is the highest position the window has been told of.
func (w *window) last() carillon.Position {
	if w.first == w.end {
		return w.watermark
	}
	return w.at(w.end - 1).through
}

func (w *window) offer(position carillon.Position) uint64 {
	if w.len() == len(w.marks) {
		w.grow()
	}
	ordinal := w.end
	w.end++
	*w.at(ordinal) = mark{through: position}
	return ordinal
}

func (w *window) grow() {
	old := *w
	w.marks = make([]mark, max(firstMarks, 2*len(old.marks)))
	for ordinal := w.first; ordinal < w.end; ordinal++ {
		*w.at(ordinal) = *old.at(ordinal)
	}
}

// skip passes events of no concern behind everything offered.
func (w *window) skip(position carillon.Position) {
	if w.first == w.end {
		w.watermark = max(w.watermark, position)
		return
	}
	last := w.at(w.end - 1)
	last.through = max(last.through, position)
}

// complete marks a delivery and moves the watermark over all that is complete.
func (w *window) complete(ordinal uint64) {
	w.at(ordinal).state = markComplete
	for w.first < w.end && w.at(w.first).state == markComplete {
		w.watermark = w.at(w.first).through
		w.first++
	}
}

// prospect is where the watermark will stand once everything handed out is parked, and how many deliveries it will have passed.
func (w *window) prospect() (carillon.Position, uint64) {
	watermark, ordinal := w.watermark, w.first
	for ordinal < w.end && w.at(ordinal).state != markOpen {
		watermark = w.at(ordinal).through
		ordinal++
	}
	return watermark, ordinal
}
