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

// waiting is a message that was read and not handed out.
type waiting struct {
	lane  *lane
	entry Entry
}

// handle is how a consumer knows a delivery.
type handle struct {
	lane     *lane
	owner    *consumer
	position int64
	settled  bool
}

// delivery hands a message out.
func (w *waiting) delivery(h *handle, owner *consumer) carillon.Delivery {
	*h = handle{lane: w.lane, owner: owner, position: w.entry.Position}
	w.lane.held++
	return carillon.Delivery{Message: w.entry.Message, Lost: w.lane.lost, Handle: h}
}

// fill queues entries for the lanes they belong to: those a lane has read before are passed over.
func fill(queue []waiting, lanes []*lane, entries []Entry, through int64) []waiting {
	byPartition := make(map[int]*lane, len(lanes))
	for _, l := range lanes {
		if !l.gone && l.leaving.IsZero() {
			byPartition[l.partition] = l
		}
	}
	for i := range entries {
		l := byPartition[entries[i].Partition]
		if l == nil || entries[i].Position <= l.scanned {
			continue
		}
		l.tracker.Add(entries[i].Position)
		queue = append(queue, waiting{l, entries[i]})
	}
	for _, l := range byPartition {
		if through > l.scanned {
			l.scanned = through
			l.tracker.Pass(through)
		}
	}
	return queue
}
