package rabbitmq

import (
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one partition's time with this consumer: a channel, whose end gives back what is not settled. The subscription's lock
// guards what is received, its own lock what is sent.
type session struct {
	subscription *subscription
	partition    int
	conn         *connection
	ch           *amqp.Channel
	lost         chan struct{}
	releasing    bool          // nothing is handed out any more
	waiting      queue         // delivered, not handed out
	held         int           // handed out, not settled
	drained      chan struct{} // says that held is 0 while releasing

	sending sync.Mutex // held while acknowledgements are noted and sent, and when the session ends
	over    bool
	low     uint64          // the first tag that is not settled
	above   map[uint64]bool // settled tags behind it, and whether they were sent
	top     uint64          // to be sent, with all before it; 0 for none
	behind  []uint64        // settled behind one that was not, to be sent unless top has come to include them
	unsent  int             // how many tags that is
}

// maxPrefetch is the most that AMQP can say.
const maxPrefetch = 1<<16 - 1

// consume opens a channel and takes what is delivered until the partition is released, all are to end, or the channel is lost.
func (m *membership) consume(partition int, task *release) error {
	s := m.subscription
	ch, err := m.conn.Channel()
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = ch.Close() }() // gives back what is not settled; a channel that is closed has done so
	at := &session{
		subscription: s, partition: partition, conn: m.conn, ch: ch, lost: make(chan struct{}), drained: make(chan struct{}, 1),
		low: 1, above: make(map[uint64]bool),
	}
	if err := ch.Qos(min(s.options.MaxUnsettled, maxPrefetch), 0, false); err != nil {
		return unavailable(err)
	}
	from, err := ch.Consume(s.broker.names.queue(s.topic.name, s.name, partition), s.id, false, false, false, false, nil)
	if err != nil {
		return unavailable(err)
	}
	s.mu.Lock()
	s.sessions[partition] = at
	s.mu.Unlock()
	late, err := at.pump(from, task, m.stop)
	at.end()
	if together := task.finish(); late { // nobody gets a message before all that are lost together are known to be
		together.Wait()
	}
	return err
}

// pump takes deliveries until the session is to end, and reports whether some were held for too long.
func (s *session) pump(from <-chan amqp.Delivery, task *release, stop <-chan struct{}) (late bool, err error) {
	begun := task.begun
	var limit <-chan time.Time
	for {
		select {
		case d, ok := <-from:
			if !ok {
				return false, unavailable(amqp.ErrClosed)
			}
			s.deliver(d)
		case <-begun:
			if s.stopHandingOut() {
				return false, nil
			}
			begun = nil
			patience := time.NewTimer(s.subscription.options.AckDeadline)
			defer patience.Stop()
			limit = patience.C
		case <-s.drained:
			return false, nil
		case <-limit:
			return true, nil
		case <-stop:
			return false, nil
		}
	}
}

func (s *session) deliver(d amqp.Delivery) {
	s.subscription.mu.Lock()
	s.waiting.push(d)
	s.subscription.mu.Unlock()
	s.subscription.wake()
}

// stopHandingOut reports whether nothing is held.
func (s *session) stopHandingOut() bool {
	s.subscription.mu.Lock()
	defer s.subscription.mu.Unlock()
	s.releasing = true
	return s.held == 0
}

// settle notes what is settled, and sends it once that is worth it. What is lost or settled already is passed over. It reports whether
// something waits to be sent.
func (s *session) settle(tags []uint64) (waits bool, err error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.over {
		return false, nil
	}
	slices.Sort(tags)
	tags = slices.DeleteFunc(slices.Compact(tags), func(tag uint64) bool {
		_, again := s.above[tag]
		return again || tag < s.low
	})
	for _, tag := range tags {
		if tag != s.low {
			s.above[tag] = false
			s.behind = append(s.behind, tag)
			continue
		}
		s.top = tag
		s.low++
		for {
			sent, settled := s.above[s.low]
			if !settled {
				break
			}
			if !sent { // an acknowledgement of several must name one that was not sent before
				s.top = s.low
			}
			delete(s.above, s.low)
			s.low++
		}
	}
	s.unsent += len(tags)
	if s.unsent >= min(sendAt, s.subscription.options.MaxUnsettled/2) {
		err = s.send()
	}
	s.settled(len(tags))
	return s.unsent > 0, err
}

// Acknowledgements wait for others of their partition, because the server writes each of them down: until there are so many, or for
// so long.
const (
	sendAt    = 64
	sendAfter = 2 * time.Millisecond
)

// send sends one acknowledgement for all that stand before the first message that is not settled, and one for each of the others. The
// caller has the lock.
func (s *session) send() error {
	var err error
	if s.top > 0 {
		err = s.ch.Ack(s.top, true)
	}
	for _, tag := range s.behind {
		if sent, still := s.above[tag]; still && !sent {
			s.above[tag] = true
			if err == nil {
				err = s.ch.Ack(tag, false)
			}
		}
	}
	s.top, s.behind, s.unsent = 0, s.behind[:0], 0
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// sendWaiting sends what waits. What cannot be sent comes again.
func (s *session) sendWaiting() {
	s.sending.Lock()
	defer s.sending.Unlock()
	if !s.over && s.unsent > 0 {
		_ = s.send() // the channel is gone, and the session about to end
	}
}

// settled makes room.
func (s *session) settled(count int) {
	s.subscription.mu.Lock()
	s.held -= count
	s.subscription.room += count
	drained := s.releasing && s.held == 0
	s.subscription.mu.Unlock()
	s.subscription.wake()
	if drained {
		select {
		case s.drained <- struct{}{}:
		default:
		}
	}
}

// end makes the session's deliveries lost.
func (s *session) end() {
	s.sending.Lock()
	if s.unsent > 0 {
		_ = s.send() // without a channel it comes again
	}
	s.over = true
	s.sending.Unlock()
	s.subscription.mu.Lock()
	defer s.subscription.mu.Unlock()
	s.subscription.sessions[s.partition] = nil
	s.subscription.room += s.held
	s.held, s.waiting = 0, queue{}
	close(s.lost)
	s.subscription.wake()
}
