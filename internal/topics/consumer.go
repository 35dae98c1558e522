package topics

import (
	"context"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

const (
	// firstPage and largestPage are how many messages are read at once: fewer when they are large.
	firstPage   = 64
	largestPage = 1024
)

// consumer is one part in a subscription. It implements [carillon.Subscription].
type consumer struct {
	hub    *Hub
	stream *stream
	member Member
	most   int // how many deliveries it holds at most

	more    chan struct{} // there may be something to receive
	poked   chan struct{} // the shares may have changed
	dirty   chan struct{} // a checkpoint may have moved
	ended   chan struct{} // closed with the consumer
	cancel  context.CancelFunc
	stopped chan struct{} // closed when the keeper has ended
	closing sync.Once
	failure error // of the closing

	saving sync.Mutex // taken before mu

	mu      sync.Mutex
	lanes   map[int]*lane
	queue   queue
	recent  []*Publication // memory that is used again
	held    int
	page    int
	touched bool // since the checkpoints were noted
	closed  bool
	apart   error // why the tables cannot be reached
}

func signal(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

func (c *consumer) wake() { signal(c.more) }
func (c *consumer) poke() { signal(c.poked) }

// touch has the checkpoints noted soon. The consumer's lock is held.
func (c *consumer) touch() {
	if !c.touched {
		c.touched = true
		signal(c.dirty)
	}
}

// Receive waits for deliveries of the partitions this consumer owns.
func (c *consumer) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		deliveries, plan, err := c.take(limit)
		if err != nil || len(deliveries) > 0 {
			return deliveries, err
		}
		if plan != nil {
			if err := c.read(ctx, plan); err != nil {
				return nil, c.unlessClosed(err)
			}
			continue
		}
		select {
		case <-c.more:
		case <-c.ended:
		case <-ctx.Done():
		}
	}
}

// unlessClosed prefers that the consumer was closed over what a read failed with since.
func (c *consumer) unlessClosed(err error) error {
	select {
	case <-c.ended:
		return carillon.ErrClosed
	default:
		return err
	}
}

// plan is what to read next.
type plan struct {
	after, through int64
	lanes          []*lane // those that have not read it
	limit          int     // of a page of the table
}

// take hands out what was read, or says what to read. Neither means that there is nothing, or no room.
func (c *consumer) take(limit int) ([]carillon.Delivery, *plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, carillon.ErrClosed
	}
	limit = min(limit, c.most-c.held)
	if limit <= 0 {
		return nil, nil, nil
	}
	for {
		if deliveries := c.handOut(limit); len(deliveries) > 0 {
			c.touch()
			return deliveries, nil, nil
		}
		p := c.plan()
		if p == nil {
			return nil, nil, c.apart
		}
		recent, through, ok := c.stream.tail(p.after, limit, c.recent[:0])
		if !ok {
			return nil, p, nil
		}
		if through <= p.after {
			return nil, nil, nil
		}
		c.queue.open(p.lanes, c.stream.Partitions)
		for _, publication := range recent {
			for i := max(0, p.after+1-publication.First); i < int64(len(publication.Messages)) && publication.First+i <= through; i++ {
				c.queue.add(publication.First+i, publication.Partitions[i], &publication.Messages[i])
			}
		}
		c.queue.pass(through)
		clear(recent)
		c.recent = recent
	}
}

// handOut takes deliveries from the queue.
func (c *consumer) handOut(limit int) []carillon.Delivery {
	limit = min(limit, c.queue.len())
	if limit == 0 {
		return nil
	}
	deliveries := c.queue.hand(make([]carillon.Delivery, 0, limit), c)
	c.held += len(deliveries)
	return deliveries
}

// plan says what the lanes have not read that have read least; nil when they have read everything.
func (c *consumer) plan() *plan {
	through := c.stream.last()
	after := through
	for _, l := range c.lanes {
		if l.takes() {
			after = min(after, l.scanned)
		}
	}
	if after >= through {
		return nil
	}
	p := &plan{after: after, through: through, limit: c.page, lanes: make([]*lane, 0, len(c.lanes))}
	for _, l := range c.lanes {
		if l.takes() {
			p.lanes = append(p.lanes, l)
		}
	}
	return p
}

// partitions are those of the lanes, nil when they are all there are.
func (p *plan) partitions(all int) (partitions []int) {
	if len(p.lanes) == all {
		return nil
	}
	for _, l := range p.lanes {
		partitions = append(partitions, l.partition)
	}
	return partitions
}

// read reads a page of the table.
func (c *consumer) read(ctx context.Context, p *plan) error {
	ctx, cancel := within(ctx, c.hub.settings.Timeout)
	defer cancel()
	entries, more, err := c.hub.tables.Read(ctx, c.stream.Topic, p.after, p.through, p.partitions(c.stream.Partitions), p.limit)
	if err != nil {
		return late(ctx, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	through := p.through
	switch {
	case more && len(entries) > 0:
		through = entries[len(entries)-1].Position
		c.page = max(1, len(entries))
	case len(entries) == p.limit:
		through = entries[len(entries)-1].Position
		c.page = min(2*c.page, largestPage)
	}
	c.queue.open(p.lanes, c.stream.Partitions)
	for i := range entries {
		c.queue.add(entries[i].Position, entries[i].Partition, &entries[i].Message)
	}
	c.queue.pass(through)
	return nil
}

// Ack settles deliveries. Their checkpoints are noted within [saveAfter], or when the consumer is closed: a process that is killed
// before gets them again.
func (c *consumer) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return carillon.ErrClosed
	}
	left, full := false, c.held >= c.most
	for i := range deliveries {
		h, ok := deliveries[i].Handle.(*handle)
		if !ok {
			return carillon.Invalidf("delivery", "it is settled where it was received")
		}
		if h.owner != c || h.settled || h.lane.gone {
			continue
		}
		h.settled = true
		h.lane.tracker.Done(h.position)
		h.lane.held--
		c.held--
		left = left || h.lane.held == 0 && !h.lane.leaving.IsZero()
	}
	c.touch()
	if full { // else there was nothing to receive, and is not now
		c.wake()
	}
	if left {
		c.poke()
	}
	return nil
}

// grant gives the consumer partitions it has claimed.
func (c *consumer) grant(shares []Share) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, share := range shares {
		if old := c.lanes[share.Partition]; old != nil {
			c.drop(old)
		}
		c.lanes[share.Partition] = newLane(share)
	}
	c.wake()
}

// drop takes a lane away. What it had comes again to whoever owns it next.
func (c *consumer) drop(l *lane) {
	l.gone = true
	close(l.lost)
	c.held -= l.held
	delete(c.lanes, l.partition)
	c.wake()
}

// Close leaves the subscription: the checkpoints are noted, and the partitions go to others at once.
func (c *consumer) Close() error {
	c.closing.Do(func() {
		c.mu.Lock()
		c.closed = true
		close(c.ended)
		c.mu.Unlock()
		c.cancel()
		<-c.stopped
		c.stream.leave(c)
		ctx, cancel := context.WithTimeout(context.Background(), c.hub.settings.Timeout)
		defer cancel()
		c.failure = c.resign(ctx)
		c.stream.pokeOthers(c)
	})
	return c.failure
}

// after reports that a time has passed since a moment.
func after(since time.Time, wait time.Duration) bool { return time.Since(since) >= wait }
