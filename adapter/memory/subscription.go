package memory

import (
	"context"

	"github.com/carillon-go/carillon"
)

// subscription is one consumer of a group. The topic's lock guards what it holds.
type subscription struct {
	topic *topic
	group *group
	room  int           // how many more deliveries it may hold
	first int           // the partition that is looked at first, so that each has its turn
	more  chan struct{} // says that there may be something to receive
	ended chan struct{}
	gone  bool
}

// Receive waits for deliveries of the partitions this consumer owns.
func (s *subscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		deliveries, err := s.take(limit)
		if err != nil || len(deliveries) > 0 {
			return deliveries, err
		}
		select {
		case <-s.more:
		case <-s.ended:
		case <-ctx.Done():
		}
	}
}

func (s *subscription) take(limit int) ([]carillon.Delivery, error) {
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	if s.gone {
		return nil, carillon.ErrClosed
	}
	var deliveries []carillon.Delivery
	limit = min(limit, s.room)
	count := len(s.group.partitions)
	for i := range count {
		p := s.group.partitions[(s.first+i)%count]
		for p.owner == s && p.next < len(p.items) && len(deliveries) < limit {
			it := p.items[p.next]
			p.next++
			it.owner, it.lost = s, p.lost
			it.attempt++
			deliveries = append(deliveries, carillon.Delivery{Message: it.message, Attempt: it.attempt, Lost: p.lost, Handle: taken{it, p.lost}})
		}
	}
	s.first = (s.first + 1) % count
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
	for i := range deliveries {
		had, ok := deliveries[i].Handle.(taken)
		if !ok {
			return carillon.Invalidf("delivery", "it is settled where it was received")
		}
		had.item.part.settle(had.item, s, had.lost)
	}
	s.wake()
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

func (s *subscription) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}
