package jetstream

import (
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/carillon-go/carillon"
)

const (
	// arriveAtOnce is how many messages that have arrived are taken together.
	arriveAtOnce = 32
	// arriveRoom is room for what the server says beside messages.
	arriveRoom = 1024
)

// arrivals are what the server sends to the readers of a subscription: one goroutine takes it for all of them. What is no message comes
// under a subject that ends with its consumer's name.
type arrivals struct {
	prefix string
	queue  chan *nats.Msg
	inbox  *nats.Subscription
}

// arrived is a message before its reader has it.
type arrived struct {
	consumer        string
	msg             *nats.Msg
	sequence, place uint64 // in the stream and in the consumer
	sent            bool   // by the consumer; other messages say how a request fares
	message         carillon.Message
}

func (s *subscription) listen() (err error) {
	most := min(readAhead, s.options.MaxUnsettled) * len(s.topic.subjects)
	s.arrivals = arrivals{prefix: s.broker.conn.NewInbox() + ".", queue: make(chan *nats.Msg, most+arriveRoom)}
	s.arrivals.inbox, err = s.broker.conn.ChanSubscribe(s.arrivals.prefix+"*", s.arrivals.queue)
	return err
}

// read hands what arrives to the readers until stop is closed.
func (s *subscription) read() {
	defer func() { _ = s.arrivals.inbox.Unsubscribe() }()
	batch := make([]arrived, 0, arriveAtOnce)
	for {
		select {
		case <-s.stop:
			return
		case msg := <-s.arrivals.queue:
			batch = append(batch, s.arrive(msg))
		}
		for more := true; more && len(batch) < arriveAtOnce; {
			select {
			case msg := <-s.arrivals.queue:
				batch = append(batch, s.arrive(msg))
			default:
				more = false
			}
		}
		s.mu.Lock()
		for i := range batch {
			if r := s.readers[batch[i].consumer]; r != nil {
				r.receive(&batch[i])
			}
		}
		s.mu.Unlock()
		clear(batch)
		batch = batch[:0]
	}
}

func (s *subscription) arrive(msg *nats.Msg) arrived {
	a := arrived{msg: msg}
	if a.consumer, a.sequence, a.place, a.sent = sequences(msg.Reply); a.sent {
		a.message = decode(msg, s.topic.stream, a.sequence)
	} else {
		a.consumer = strings.TrimPrefix(msg.Subject, s.arrivals.prefix)
	}
	return a
}
