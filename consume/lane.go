package consume

import "time"

// none is the index of no slot and no lane.
const none int32 = -1

// lane is the FIFO of one key, or of one delivery without a key. It exists while it has deliveries or its key is parked.
type lane struct {
	key         string
	hash        uint64 // of the key
	chain       int32  // lane behind this one in the key table
	first, last int32  // of its slots; the first one stays while it is in flight
	next        int32  // lane on the queue this one stands on
	state       laneState
	queued      bool // on the parking queue
	handing     int  // letters handed out and not confirmed
	failing     *failing
}

type laneState uint8

const (
	laneIdle laneState = iota
	laneReady
	laneInFlight
	laneWaiting // for its next attempt
	laneParked
)

// failing is what is known of a first delivery that has failed.
type failing struct {
	attempts    int
	cause       error
	first, last time.Time
}

// laneQueue is a queue of lanes, linked through them: first come, first served. A lane stands on one queue at most.
type laneQueue struct {
	first, last int32
	n           int
}

func newLaneQueue() laneQueue { return laneQueue{first: none, last: none} }

func (q *laneQueue) push(lanes []lane, index int32) {
	lanes[index].next = none
	if q.n == 0 {
		q.first = index
	} else {
		lanes[q.last].next = index
	}
	q.last = index
	q.n++
}

func (q *laneQueue) pushFront(lanes []lane, index int32) {
	lanes[index].next = q.first
	q.first = index
	if q.n == 0 {
		q.last = index
	}
	q.n++
}

// pop takes the first lane off a queue that is not empty.
func (q *laneQueue) pop(lanes []lane) int32 {
	index := q.first
	q.first = lanes[index].next
	q.n--
	if q.n == 0 {
		q.last = none
	}
	return index
}
