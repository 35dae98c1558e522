package memory

import (
	"context"

	"github.com/carillon-go/carillon"
)

// subscription is one consumer of a group. The topic's lock guards what it holds.
type subscription struct {
	topic   *topic
	group   *group
	room    int  // how many more deliveries it may hold
	first   int  // the partition that is looked at first, so that each has its turn
	waiting bool // for something to receive
	due     bool // something was added to what it owns
	gone    bool
	more    chan struct{} // says that there may be something to receive
	ended   chan struct{}
}

// Receive waits for deliveries of the partitions this consumer owns.
func (s *subscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		count, err := s.count(limit)
		if err != nil {
			return nil, err
		}
		if count > 0 {
			if deliveries, err := s.take(count); err != nil || len(deliveries) > 0 {
				return deliveries, err
			}
			continue
		}
		select {
		case <-s.more:
		case <-s.ended:
		case <-ctx.Done():
		}
	}
}

// count is how many deliveries there are for this consumer, or a few more. When there are none it notes that somebody waits for them.
func (s *subscription) count(limit int) (int, error) {
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	if s.gone {
		return 0, carillon.ErrClosed
	}
	count := 0
	for _, p := range s.group.partitions {
		if p.owner == s {
			count += int(p.end - p.next)
		}
	}
	count = min(count, limit, s.room)
	s.waiting = count <= 0
	return count, nil
}

// take takes so many deliveries, or fewer. Their memory is made before the topic is locked.
func (s *subscription) take(count int) ([]carillon.Delivery, error) {
	deliveries, handles := make([]carillon.Delivery, 0, count), make([]handle, count)
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	if s.gone {
		return nil, carillon.ErrClosed
	}
	partitions := s.group.partitions
	for i := range partitions {
		if p := partitions[(s.first+i)%len(partitions)]; p.owner == s {
			deliveries = p.deliver(deliveries, handles)
		}
	}
	s.first = (s.first + 1) % len(partitions)
	s.room -= len(deliveries)
	return deliveries, nil
}

// Ack settles deliveries.
func (s *subscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	if s.gone {
		return carillon.ErrClosed
	}
	full := s.room <= 0
	for i := range deliveries {
		h, ok := deliveries[i].Handle.(*handle)
		if !ok {
			return carillon.Invalidf("delivery", "it is settled where it was received")
		}
		h.part.settle(h, s)
	}
	if full { // else there was nothing to receive, and is not now
		s.wake()
	}
	return nil
}

// Close gives up this consumer's partitions.
func (s *subscription) Close() error {
	s.leave()
	return nil
}

func (s *subscription) leave() {
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	if s.gone {
		return
	}
	s.gone = true
	close(s.ended)
	for i, other := range s.group.consumers {
		if other == s {
			s.group.consumers = append(s.group.consumers[:i:i], s.group.consumers[i+1:]...)
			break
		}
	}
	s.group.share()
}

func (s *subscription) left() bool {
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	return s.gone
}

// wake has Receive look again if it waits.
func (s *subscription) wake() {
	s.due = false
	if !s.waiting {
		return
	}
	s.waiting = false
	select {
	case s.more <- struct{}{}:
	default:
	}
}
