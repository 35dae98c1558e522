package messaging

import "sync/atomic"

// Counts is what came of requests and replies since the engine was made.
type Counts struct {
	// Waiting is how many calls of this process wait for a reply now.
	Waiting int64
	// Late is how many replies came when nobody waited for them any more, or a second time.
	Late int64
	// Expired is how many requests came here after their deadline: they were not carried out.
	Expired int64
	// Unanswered is how many requests were handled here and their replies reached nobody.
	Unanswered int64
}

type counts struct {
	waiting, late, expired, unanswered atomic.Int64
}

// Counts returns what came of requests and replies.
func (e *Engine) Counts() Counts {
	return Counts{
		Waiting: e.counts.waiting.Load(), Late: e.counts.late.Load(), Expired: e.counts.expired.Load(), Unanswered: e.counts.unanswered.Load(),
	}
}
