package rabbitmq

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// subscription is one consumer of a subscription. It consumes from the partitions that the members of the subscription assign to it.
type subscription struct {
	broker  *Broker
	topic   *topic
	name    string
	id      string
	options carillon.SubscribeOptions

	more    chan struct{}   // says that there may be something to receive
	closing <-chan struct{} // closed when Close begins
	stop    func()          // begins it
	done    chan struct{}   // closed when all has ended

	sending atomic.Bool // somebody will send what waits

	mu        sync.Mutex
	closed    bool
	connected bool
	sessions  []*session // by partition, nil without one
	first     int        // the partition that is looked at first, so that each has its turn
	room      int        // how many more deliveries may be handed out
}

// maxConsumer bounds what is shown of a consumer's name, in bytes.
const maxConsumer = 64

// Subscribe joins a subscription. What cannot be consumed yet, because the connection is lost or another consumer has it, comes later.
func (b *Broker) Subscribe(ctx context.Context, name, subscriptionName string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	ctx, end, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	t, err := b.there(ctx, name, subscriptionName)
	if err != nil {
		return nil, err
	}
	options = options.WithDefaults()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &subscription{
		broker: b, topic: t, name: subscriptionName, id: strings.ToLower(rand.Text()), options: options,
		more: make(chan struct{}, 1), closing: running.Done(), stop: stop, done: make(chan struct{}),
		sessions: make([]*session, t.partitions), room: options.MaxUnsettled, connected: true,
	}
	if options.Consumer != "" {
		s.id = options.Consumer[:min(len(options.Consumer), maxConsumer)] + "-" + s.id[:8]
	}
	if err := b.lifetime.Join(s); err != nil {
		stop()
		return nil, err
	}
	go s.run(running)
	return s, nil
}

// there checks that a subscription was declared.
func (b *Broker) there(ctx context.Context, name, subscription string) (*topic, error) {
	t, err := b.topic(ctx, name)
	if err != nil {
		return nil, err
	}
	return within(ctx, b, func(ctx context.Context) (*topic, error) {
		d, err := b.declarer(ctx)
		if err != nil {
			return nil, err
		}
		defer d.close()
		_, err = d.count(b.names.queue(name, subscription, t.partitions-1)) // the one that is made last
		if code(err) == notFound {
			return nil, fmt.Errorf("subscription %q of topic %q: %w", subscription, name, carillon.ErrNotFound)
		}
		if err != nil {
			return nil, unavailable(err)
		}
		return t, nil
	})
}

// Receive hands out what has come for the partitions of this consumer.
func (s *subscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	waiting := clients.Waiting{More: s.more, Closing: s.closing, Patience: s.broker.source.timeout / 10, Lost: func(context.Context) error {
		return fmt.Errorf("rabbitmq: the connection is lost: %w", carillon.ErrUnavailable)
	}}
	raw, err := clients.Receive(ctx, waiting, func() ([]taken, bool, error) { return s.take(limit) })
	if err != nil {
		return nil, err
	}
	return deliveries(raw), nil
}

// taken is a delivery that is handed out.
type taken struct {
	session *session
	raw     amqp.Delivery
}

func (s *subscription) take(limit int) ([]taken, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, carillon.ErrClosed
	}
	limit = min(limit, s.room)
	var all []taken
	for i := range s.sessions {
		from := s.sessions[(s.first+i)%len(s.sessions)]
		if from == nil || from.releasing {
			continue
		}
		for len(all) < limit && from.waiting.len() > 0 {
			all = append(all, taken{from, from.waiting.pop()})
			from.held++
		}
	}
	s.first = (s.first + 1) % len(s.sessions)
	s.room -= len(all)
	return all, s.connected, nil
}

// handle is what a delivery is settled by.
type handle struct {
	session *session
	tag     uint64
}

func deliveries(raw []taken) []carillon.Delivery {
	all := make([]carillon.Delivery, len(raw))
	handles := make([]handle, len(raw))
	for i := range raw {
		d := &raw[i].raw
		handles[i] = handle{raw[i].session, d.DeliveryTag}
		all[i] = carillon.Delivery{Message: decode(d), Attempt: attemptOf(d), Lost: raw[i].session.lost, Handle: &handles[i]}
	}
	return all
}

// Ack notes deliveries as settled. They are sent within 2 ms, several in one where all that came before in a partition is settled. The
// server does not confirm them.
func (s *subscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tags, anyWaits := make([]uint64, 0, len(deliveries)), false
	for i := 0; i < len(deliveries); {
		first, ok := deliveries[i].Handle.(*handle)
		if !ok || first.session.subscription != s {
			return carillon.Invalidf("delivery", "it is settled where it was received")
		}
		at := first.session
		if i == 0 {
			at.conn.socket.cork()
			defer at.conn.socket.uncork()
		}
		tags = tags[:0]
		for ; i < len(deliveries); i++ {
			h, ok := deliveries[i].Handle.(*handle)
			if !ok || h.session != at {
				break
			}
			tags = append(tags, h.tag)
		}
		waits, err := at.settle(tags)
		if err != nil {
			return err
		}
		anyWaits = anyWaits || waits
	}
	if anyWaits && s.sending.CompareAndSwap(false, true) {
		time.AfterFunc(sendAfter, s.sendWaiting)
	}
	return nil
}

// sendWaiting sends what waits in all partitions, in one write.
func (s *subscription) sendWaiting() {
	s.sending.Store(false)
	s.mu.Lock()
	var all []*session
	for _, at := range s.sessions {
		if at != nil {
			all = append(all, at)
		}
	}
	s.mu.Unlock()
	for i, at := range all {
		if i == 0 {
			at.conn.socket.cork()
			defer at.conn.socket.uncork()
		}
		at.sendWaiting()
	}
}

// Close leaves the subscription.
func (s *subscription) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	<-s.done
	return nil
}

// wake tells Receive to look again.
func (s *subscription) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// setConnected notes whether there is a connection.
func (s *subscription) setConnected(connected bool) {
	s.mu.Lock()
	s.connected = connected
	s.mu.Unlock()
	s.wake()
}

// unsettled is how many messages this consumer has, handed out or not.
func (s *subscription) unsettled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for _, at := range s.sessions {
		if at != nil {
			count += at.held + at.waiting.len()
		}
	}
	return count
}
