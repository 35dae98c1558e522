package topics

import (
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/watermark"
)

// lane is a partition while it is one consumer's. The consumer's lock guards it.
type lane struct {
	partition int
	epoch     int64
	lost      chan struct{}      // closed when the lane is the consumer's no more
	scanned   int64              // what stands up to here was read
	tracker   *watermark.Tracker // of what was read
	held      int                // handed out and not settled
	saved     Checkpoint
	gone      bool
	leaving   time.Time // since when nothing is handed out any more; zero while something is
}

// takes reports whether the lane is given messages.
func (l *lane) takes() bool { return !l.gone && l.leaving.IsZero() }

func newLane(share Share) *lane {
	return &lane{
		partition: share.Partition, epoch: share.Epoch, lost: make(chan struct{}), scanned: share.Position,
		tracker: watermark.New(share.Position),
		saved:   Checkpoint{Partition: share.Partition, Epoch: share.Epoch, Position: share.Position},
	}
}

// checkpoint is how far the lane has come.
func (l *lane) checkpoint() Checkpoint {
	return Checkpoint{
		Partition: l.partition, Epoch: l.epoch, Position: l.tracker.Mark(), Held: int64(l.held), Ahead: int64(l.tracker.Ahead()),
	}
}

// waiting is a message that was read and not handed out. Nobody changes it.
type waiting struct {
	lane     *lane
	position int64
	message  *carillon.Message
}

// handle is how a consumer knows a delivery.
type handle struct {
	lane     *lane
	owner    *consumer
	position int64
	settled  bool
}

// queue holds what was read for some lanes and not handed out, in order of position within a lane.
type queue struct {
	waiting []waiting
	first   int // those before were handed out
	lanes   []*lane
}

// len is how many messages are queued, also those of lanes that are given none.
func (q *queue) len() int { return len(q.waiting) - q.first }

// open makes ready for messages of some lanes, whose partitions are below a number.
func (q *queue) open(lanes []*lane, partitions int) {
	if q.lanes == nil {
		q.lanes = make([]*lane, partitions)
	}
	clear(q.lanes)
	for _, l := range lanes {
		if l.takes() {
			q.lanes[l.partition] = l
		}
	}
	if q.len() == 0 {
		q.waiting, q.first = q.waiting[:0], 0
	}
}

// add queues a message for the lane it belongs to. One that the lane has read before is passed over.
func (q *queue) add(position int64, partition int, m *carillon.Message) {
	l := q.lanes[partition]
	if l == nil || position <= l.scanned {
		return
	}
	l.tracker.Add(position)
	q.waiting = append(q.waiting, waiting{l, position, m})
}

// pass says that what stands up to a position was added.
func (q *queue) pass(through int64) {
	for _, l := range q.lanes {
		if l != nil && through > l.scanned {
			l.scanned = through
			l.tracker.Pass(through)
		}
	}
}

// hand appends what may be handed out to deliveries of an owner, as far as there is room.
func (q *queue) hand(deliveries []carillon.Delivery, owner *consumer) []carillon.Delivery {
	var handles []handle
	for ; q.first < len(q.waiting) && len(deliveries) < cap(deliveries); q.first++ {
		w := &q.waiting[q.first]
		if w.lane.takes() {
			if handles == nil {
				handles = make([]handle, cap(deliveries)-len(deliveries))
			}
			h := &handles[len(deliveries)]
			*h = handle{lane: w.lane, owner: owner, position: w.position}
			deliveries = deliveries[:len(deliveries)+1]
			d := &deliveries[len(deliveries)-1]
			d.Message, d.Lost, d.Handle = *w.message, w.lane.lost, h
			w.lane.held++
		}
		w.message = nil
	}
	return deliveries
}
