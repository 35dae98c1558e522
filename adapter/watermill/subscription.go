package watermill

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
)

// subscription is one consumer, with a feed of its own or one that it shares.
type subscription struct {
	broker *broker
	topic  string
	feed   *feed

	room   chan struct{} // says that there may be room
	closed chan struct{} // closed when Close begins
	done   chan struct{} // closed when it ends

	mu   sync.Mutex
	gone bool
	free int                  // how many more deliveries it may hold
	held map[*handle]struct{} // handed out, not settled
}

// handle is what a delivery is settled by.
type handle struct {
	subscription *subscription
	numbered
}

func newSubscription(b *broker, topic string, from *feed, unsettled int) *subscription {
	return &subscription{
		broker: b, topic: topic, feed: from, room: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{}),
		free: unsettled, held: make(map[*handle]struct{}),
	}
}

// Receive waits for messages of the feed.
func (s *subscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		free, err := s.vacant()
		if err != nil {
			return nil, err
		}
		limit := min(limit, free)
		taken := s.feed.given(limit)
		for arriving := true; arriving && len(taken) < limit; {
			select {
			case m := <-s.feed.arrived:
				taken = append(taken, s.feed.hand(m))
			default:
				arriving = false
			}
		}
		if len(taken) > 0 {
			return s.hold(taken)
		}
		arrived, more := s.feed.arrived, s.feed.more
		if limit == 0 {
			arrived, more = nil, nil
		}
		select {
		case m := <-arrived:
			return s.hold([]numbered{s.feed.hand(m)})
		case <-more:
		case <-s.room:
		case err := <-s.feed.failures:
			return nil, fmt.Errorf("receive: %w", err)
		case <-s.closed:
		case <-ctx.Done():
		}
	}
}

// vacant says how many more deliveries may be handed out.
func (s *subscription) vacant() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return 0, carillon.ErrClosed
	}
	return s.free, nil
}

// hold makes deliveries of messages.
func (s *subscription) hold(taken []numbered) ([]carillon.Delivery, error) {
	s.mu.Lock()
	gone := s.gone
	if !gone {
		s.free -= len(taken)
	}
	deliveries := make([]carillon.Delivery, len(taken))
	for i := range taken {
		h := &handle{s, taken[i]}
		if !gone {
			s.held[h] = struct{}{}
		}
		deliveries[i].Handle = h
	}
	s.mu.Unlock()
	if gone {
		s.feed.giveBack(taken)
		return nil, carillon.ErrClosed
	}
	for i := range taken {
		m, err := decode(s.topic, taken[i].message, s.broker.source.mapping)
		if err != nil {
			m = unreadable(taken[i].message, err)
		}
		deliveries[i].Message = m
	}
	return deliveries, nil
}

// Ack acknowledges deliveries. Watermill writes that down by itself.
func (s *subscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return carillon.ErrClosed
	}
	settled := make([]*message.Message, 0, len(deliveries))
	for i := range deliveries {
		h, ok := deliveries[i].Handle.(*handle)
		if !ok || h.subscription != s {
			return carillon.Invalidf("delivery", "it is settled where it was received")
		}
		if _, held := s.held[h]; held {
			delete(s.held, h)
			s.free++
			settled = append(settled, h.message)
		}
	}
	s.feed.settle(settled)
	wake(s.room)
	return nil
}

// Close gives back what was not settled.
func (s *subscription) Close() error {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.gone = true
	held := make([]numbered, 0, len(s.held))
	for h := range s.held {
		held = append(held, h.numbered)
	}
	s.mu.Unlock()
	defer close(s.done)
	close(s.closed)
	slices.SortFunc(held, func(a, b numbered) int { return int(a.serial) - int(b.serial) })
	s.feed.giveBack(held)
	if !s.broker.source.volatile {
		s.feed.close()
	}
	s.broker.mu.Lock()
	delete(s.broker.subscriptions, s)
	s.broker.mu.Unlock()
	return nil
}
