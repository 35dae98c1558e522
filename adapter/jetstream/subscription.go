package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// patience is how long Receive waits for a lost connection before it says so.
const patience = time.Second

// subscription is one consumer of a subscription. It owns partitions as long as it shows that it lives.
type subscription struct {
	broker  *broker
	topic   topic
	name    string
	member  string // its name in the bucket
	options carillon.SubscribeOptions
	ttl     time.Duration
	first   position // where the subscription began
	log     *slog.Logger

	arrivals arrivals

	wake    chan struct{} // to Receive: there may be something
	changed chan struct{} // to manage: there may be something to do
	dirty   chan struct{} // to keep: there is something to write
	urgent  chan struct{} // to keep: at once
	trim    chan struct{} // to trimming: a position was written
	missed  chan struct{} // to watch: others may have written what it was not told
	stop    chan struct{}
	ended   chan struct{} // Close is done
	running sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	group     *group
	held      map[int]*partition
	readers   map[string]*reader // by consumer
	left      map[int]*partition // no longer held, and still ours in the bucket
	turn      int                // the partition that Receive begins with
	unsettled int64
	receiving int
	received  time.Time // when Receive was last called
	resting   time.Time // when a deadline passed unused; zero when this consumer takes part
	valid     time.Time // until when others hold us for alive
}

// Subscribe joins a subscription. What was handed out and what was settled is written down within a fifth of a second, and when the
// subscription is closed; Receive and Ack return before that. What a process that is killed had not written comes again, and counts
// one attempt too few.
func (b *broker) Subscribe(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	bounded, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, err := b.subscribe(bounded, topic, name, options.WithDefaults())
	if err != nil {
		return nil, fmt.Errorf("subscription %s of topic %s: %w", name, topic, b.bound(ctx, err))
	}
	return s, nil
}

func (b *broker) subscribe(ctx context.Context, name, subscriptionName string, options carillon.SubscribeOptions) (*subscription, error) {
	t, err := b.topic(ctx, name)
	if err != nil {
		return nil, err
	}
	first, err := b.first(ctx, t, subscriptionName)
	if err != nil {
		return nil, err
	}
	s := &subscription{
		broker: b, topic: t, name: subscriptionName, member: rand.Text(), options: options, ttl: options.AckDeadline * 3 / 4, first: first,
		log:  b.source.log.With(slog.String("topic", t.name), slog.String("subscription", subscriptionName)),
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), dirty: make(chan struct{}, 1), urgent: make(chan struct{}, 1), trim: make(chan struct{}, 1),
		missed: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
		group: newGroup(len(t.subjects)), held: make(map[int]*partition), readers: make(map[string]*reader), left: make(map[int]*partition), received: time.Now(),
	}
	if s.options.Consumer == "" {
		s.options.Consumer = s.member
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	if err := s.join(ctx); err != nil {
		return nil, errors.Join(err, s.arrivals.inbox.Unsubscribe())
	}
	return s, nil
}

// first returns where a subscription begins. The stream may have been made anew since: then it begins there.
func (b *broker) first(ctx context.Context, t topic, name string) (position, error) {
	began, err := b.start(ctx, t.name, name)
	if err != nil {
		return position{}, err
	}
	stream, err := b.js.Stream(ctx, t.stream)
	if err != nil {
		return position{}, err
	}
	at := position{Stream: stream.CachedInfo().Created.UnixNano()}
	if began.Stream == at.Stream {
		at.Floor, at.Through = began.After, began.After
	}
	return at, nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// signal wakes Receive.
func (s *subscription) signal() { signal(s.wake) }

// reconnected makes all readers begin anew, and the watch of the others: what was on its way is lost.
func (s *subscription) reconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.held {
		p.reader.again()
	}
	signal(s.missed)
	signal(s.changed)
	signal(s.dirty)
}

// Receive hands out what was read.
func (s *subscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	if limit < 1 {
		return nil, carillon.Invalidf("receive", "a limit is 1 or more, not %d", limit)
	}
	s.mu.Lock()
	s.receiving++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.receiving--
		s.mu.Unlock()
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		deliveries, err := s.take(limit)
		if err != nil || len(deliveries) > 0 {
			return deliveries, err
		}
		if err := s.wait(ctx); err != nil {
			return nil, err
		}
	}
}

func (s *subscription) take(limit int) ([]carillon.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, s.closedError()
	}
	now := time.Now()
	s.received = now
	s.lapse(now)
	limit = min(limit, s.options.MaxUnsettled-int(s.unsettled))
	if limit <= 0 {
		return nil, nil
	}
	waiting := 0
	for _, p := range s.held {
		waiting += p.buffer.len()
	}
	if waiting == 0 {
		signal(s.dirty)
		return nil, nil
	}
	deliveries := make([]carillon.Delivery, 0, min(limit, waiting))
	n := len(s.topic.subjects)
	s.turn = (s.turn + 1) % n
	for i := range n {
		p := s.held[(s.turn+i)%n]
		if p == nil || p.buffer.len() == 0 || !p.draining.IsZero() {
			continue
		}
		if p.count == 0 { // what ends this process must be known to have been given to it
			signal(s.urgent)
		}
		before := p.unsettled
		deliveries = p.take(deliveries, limit-len(deliveries), now.Add(s.options.AckDeadline))
		s.unsettled += p.unsettled - before
		p.reader.ask()
		if len(deliveries) == limit {
			break
		}
	}
	signal(s.dirty)
	return deliveries, nil
}

func (s *subscription) wait(ctx context.Context) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		if s.broker.conn.IsConnected() {
			return nil
		}
		return s.unreachable()
	}
}

func (s *subscription) unreachable() error {
	return fmt.Errorf("subscription %s of topic %s: %w", s.name, s.topic.name, carillon.ErrUnavailable)
}

func (s *subscription) closedError() error {
	return fmt.Errorf("subscription %s of topic %s: %w", s.name, s.topic.name, carillon.ErrClosed)
}

// each does something with the entries of deliveries that are still this consumer's.
func (s *subscription) each(deliveries []carillon.Delivery, do func(*entry)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.closedError()
	}
	s.lapse(time.Now())
	for i := range deliveries {
		if e, ok := deliveries[i].Handle.(*entry); ok && !e.partition.gone && !e.settled {
			do(e)
		}
	}
	return nil
}

// Ack settles deliveries. It returns before that is written down, see [broker.Subscribe]; without a connection it says
// [carillon.ErrUnavailable], and they are settled all the same if there is one before others take over.
func (s *subscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.each(deliveries, func(e *entry) {
		if e.partition.settle(e) {
			s.unsettled--
		}
	})
	if err != nil {
		return err
	}
	s.signal() // there is room
	signal(s.dirty)
	if !s.broker.conn.IsConnected() {
		return s.unreachable()
	}
	return nil
}

// Extend gives deliveries their whole deadline again. It does no I/O.
func (s *subscription) Extend(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline := time.Now().Add(s.options.AckDeadline)
	return s.each(deliveries, func(e *entry) { e.deadline = deadline })
}

// Close leaves the subscription. Others go on at once with what was not settled.
func (s *subscription) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.ended
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	defer close(s.ended)
	close(s.stop)
	s.signal()
	s.mu.Lock()
	s.lapse(time.Now())
	for _, p := range s.held {
		s.drop(p)
	}
	s.mu.Unlock()
	s.running.Wait()
	err := s.depart()
	s.broker.mu.Lock()
	delete(s.broker.subscriptions, s)
	s.broker.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("leaving subscription %s of topic %s: %w", s.name, s.topic.name, translate(err))
		if errors.Is(err, carillon.ErrUnavailable) { // others take over when the deadline is over
			s.log.Warn("left without notice", slog.Any("error", err))
		}
	}
	return err
}
