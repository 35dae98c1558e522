package jetstream

import "slices"

// The most entries of a position. What does not fit comes again after a crash, or counts one attempt too few.
const (
	mostSpans = 1024
	mostMarks = 32
)

// position is how far a partition of a subscription has come. Numbers are sequences of the topic's stream.
type position struct {
	// Stream is when the stream was made, in nanoseconds: a position in another says nothing.
	Stream int64 `json:"stream"`
	// Floor is where everything is settled to.
	Floor uint64 `json:"floor"`
	// Through is the last message that was handed out.
	Through uint64 `json:"through,omitempty"`
	// Done are the parts above Floor that are settled, in order.
	Done []span `json:"done,omitempty"`
	// Given says what was handed out by earlier owners.
	Given []mark `json:"given,omitempty"`
	// Unsettled is how many messages are with a consumer.
	Unsettled int64 `json:"unsettled,omitempty"`
}

// span is a settled part: above From, to To.
type span struct {
	From  uint64 `json:"from"`
	To    uint64 `json:"to"`
	Count int64  `json:"count"`
}

// mark says that what is not above Through was handed out so many times.
type mark struct {
	Through uint64 `json:"through"`
	Times   int    `json:"times"`
}

// next is where another owner begins.
func (p position) next() position {
	given := above(p.Given, p.Floor)
	if p.Through > p.Floor {
		if n := len(given); n > 0 && given[n-1].Through == p.Through {
			given[n-1].Times++
		} else {
			given = append(given, mark{Through: p.Through, Times: 1})
		}
	}
	if n := len(given); n > mostMarks {
		given[1] = mark{Through: min(given[0].Through, given[1].Through), Times: given[0].Times + given[1].Times}
		given = given[1:]
	}
	return position{Stream: p.Stream, Floor: p.Floor, Done: slices.Clone(p.Done), Given: given}
}

// above returns a copy of the marks that still mean something.
func above(marks []mark, floor uint64) []mark {
	return slices.DeleteFunc(slices.Clone(marks), func(m mark) bool { return m.Through <= floor })
}

// attempt is which delivery of a message the next one is.
func (p position) attempt(sequence uint64) int {
	n := 1
	for _, m := range p.Given {
		if sequence <= m.Through {
			n += m.Times
		}
	}
	return n
}

// settled reports whether a message above the floor is settled.
func (p position) settled(sequence uint64) bool {
	for _, s := range p.Done {
		if s.From < sequence && sequence <= s.To {
			return true
		}
	}
	return false
}

// done is how many messages above the floor are settled.
func (p position) done() int64 {
	n := int64(0)
	for _, s := range p.Done {
		n += s.Count
	}
	return n
}
