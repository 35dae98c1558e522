package redisstream

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// subscription is one consumer of a subscription. It reads the partitions it owns ahead, and hands out from there.
type subscription struct {
	broker  *Broker
	topic   *topic
	name    string
	key     string // of the subscription's hash
	members string
	options carillon.SubscribeOptions

	more    chan struct{}   // says that there may be something to receive
	dirty   chan struct{}   // says that there may be something to send
	owned   chan struct{}   // says that there may be something to read
	closing <-chan struct{} // closed when Close begins
	stop    func()          // begins it
	done    chan struct{}   // closed when all has ended

	mu        sync.Mutex
	id        string // another once its lease may have run out
	flushes   int64
	closed    bool
	connected bool
	sessions  []*session // by partition, nil where another consumer owns it
	first     int        // the partition that is looked at first, so that each has its turn
	room      int        // how many more deliveries may be handed out
	unsent    int        // settled, not sent
}

// Subscribe joins a subscription.
func (b *Broker) Subscribe(ctx context.Context, name, subscriptionName string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	called, end, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	t, err := b.with(called, name, subscriptionName)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &subscription{
		broker: b, topic: t, name: subscriptionName, options: options.WithDefaults(),
		key: b.names.subscription(name, subscriptionName), members: b.names.members(name, subscriptionName),
		more: make(chan struct{}, 1), dirty: make(chan struct{}, 1), owned: make(chan struct{}, 1),
		closing: running.Done(), stop: stop, done: make(chan struct{}), sessions: make([]*session, t.partitions), connected: true,
	}
	s.room = s.options.MaxUnsettled
	s.rename()
	tending := &tender{subscription: s, renewed: time.Now()}
	if err := tending.tend(called); err != nil {
		stop()
		return nil, err
	}
	if err := b.lifetime.Join(s); err != nil {
		stop()
		b.lifetime.Go(func() { s.leave(context.WithoutCancel(ctx)) })
		return nil, err
	}
	go s.run(running, tending)
	return s, nil
}

// rename gives the consumer a name that was not used before. The caller has the lock, or is alone.
func (s *subscription) rename() {
	s.id = strings.ToLower(rand.Text())
	if s.options.Consumer != "" {
		s.id = s.options.Consumer + "-" + s.id[:8]
	}
}

func (s *subscription) me() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// run keeps the subscription going until it is closed, and then leaves.
func (s *subscription) run(ctx context.Context, tending *tender) {
	var reading, flushing sync.WaitGroup
	reading.Go(func() { s.read(ctx) })
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	flushing.Go(func() { s.flush(sending) })
	tending.run(ctx)
	stopSending() // it sends what there is
	flushing.Wait()
	s.leave(ctx)
	s.loseAll()
	reading.Wait()
	s.broker.lifetime.Leave(s)
	close(s.done)
}

func (s *subscription) leave(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if _, err := s.broker.run(ctx, s.broker.scripts.leave, []string{s.key, s.members}, s.me(), s.topic.partitions); err != nil {
		s.broker.heals(err, "leaving", s.key) // its time runs out
	}
}

// Receive hands out what was read of this consumer's partitions.
func (s *subscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	waiting := clients.Waiting{More: s.more, Closing: s.closing, Patience: s.broker.source.timeout / 10, Lost: func(ctx context.Context) error {
		return unavailable(ctx, redis.ErrClosed)
	}}
	taken, err := clients.Receive(ctx, waiting, func() ([]handle, bool, error) { return s.take(limit) })
	if err != nil {
		return nil, err
	}
	return deliveries(taken), nil
}

// handle is what a delivery is settled by.
type handle struct {
	session *session
	number  uint64
	entry   redis.XMessage
	attempt int
}

func (s *subscription) take(limit int) ([]handle, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, carillon.ErrClosed
	}
	limit = min(limit, s.room)
	var all []handle
	for i := range s.sessions {
		if at := s.sessions[(s.first+i)%len(s.sessions)]; at != nil && !at.releasing {
			all = at.handOut(all, limit)
		}
	}
	s.first = (s.first + 1) % len(s.sessions)
	s.room -= len(all)
	if len(all) > 0 {
		wake(s.dirty)
		wake(s.owned)
	}
	return all, s.connected, nil
}

func deliveries(taken []handle) []carillon.Delivery {
	all := make([]carillon.Delivery, len(taken))
	for i := range taken {
		h := &taken[i]
		all[i] = carillon.Delivery{
			Message: decode(h.session.stream, &h.entry), Attempt: h.attempt, Lost: h.session.lost, Handle: h,
		}
		h.entry = redis.XMessage{}
	}
	return all
}

// Ack notes deliveries as settled. They are sent within milliseconds; what cannot be sent is tried again until it is, or is lost.
func (s *subscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range deliveries {
		h, ok := deliveries[i].Handle.(*handle)
		if !ok || h.session.subscription != s {
			return carillon.Invalidf("delivery", "it is settled where it was received")
		}
		if !h.session.over && h.session.settle(h.number) {
			s.room++
			s.unsent++
		}
	}
	wake(s.more)
	wake(s.dirty)
	return nil
}

// Close sends what was settled and leaves the subscription.
func (s *subscription) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	<-s.done
	return nil
}

// end makes what a session handed out lost. The caller has the lock.
func (s *subscription) end(at *session) {
	if at == nil || at.over {
		return
	}
	at.over = true
	s.room += at.held
	at.held = 0
	close(at.lost)
	if s.sessions[at.partition] == at {
		s.sessions[at.partition] = nil
	}
	wake(s.more)
}

func (s *subscription) setConnected(connected bool) {
	s.mu.Lock()
	s.connected = connected
	s.mu.Unlock()
	wake(s.more)
}

// wake says something that is heard once, however often it is said.
func wake(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
