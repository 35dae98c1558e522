package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
)

// subscription is one consumer of a group.
type subscription struct {
	broker *broker
	topic  *topic
	group  string
	client *kgo.Client
	stop   context.CancelFunc // of what the client has under way
	pulse  *pulse
	most   int // unsettled
	drain  time.Duration

	// polling is held from asking the client for records until they are deliveries: what it gave before a rebalance is not delivered after it.
	polling sync.Mutex

	mu         sync.Mutex
	partitions map[int32]*partition
	unsettled  int
	rebalances int                // that wait for polling
	interrupt  context.CancelFunc // ends the poll under way
	room       chan struct{}      // of one: something was settled or lost
	settled    chan struct{}      // of one: there may be something to commit

	working    sync.WaitGroup
	committing sync.Mutex // held while offsets are committed, so that they are in order
	closing    chan struct{}
	closed     chan struct{}
	once       sync.Once
	failed     error // of the last commit; committing guards it
}

// handle is a delivery's place.
type handle struct {
	partition *partition
	offset    int64
}

// heartbeat is how soon a consumer learns that another has come or gone.
const heartbeat = 500 * time.Millisecond

// Subscribe implements [carillon.Broker].
func (b *broker) Subscribe(ctx context.Context, name, subscription string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	within, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	t, err := b.declared(within, name, subscription)
	if err != nil {
		return nil, failure(ctx, err)
	}
	s, err := b.join(t, t.group(subscription), options.WithDefaults())
	if err != nil {
		return nil, err
	}
	if err := b.lifetime.Join(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// declared finds a topic with a subscription, and gives one that Kafka has forgotten its offsets back.
func (b *broker) declared(ctx context.Context, name, subscription string) (*topic, error) {
	t, err := b.lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	return t, persist(ctx, func() error {
		missing, err := b.missing(ctx, t, []string{subscription})
		if err != nil || len(missing) == 0 {
			return err
		}
		starts, err := b.registered(ctx, missing[0])
		if err != nil {
			return err
		}
		if starts == nil {
			return fmt.Errorf("subscription %q of topic %q: %w", subscription, name, carillon.ErrNotFound)
		}
		return b.begin(ctx, t, missing[0], starts)
	})
}

func (b *broker) join(t *topic, group string, options carillon.SubscribeOptions) (*subscription, error) {
	s := &subscription{
		broker: b, topic: t, group: group, pulse: newPulse(), most: options.MaxUnsettled,
		drain:      min(b.servers.settings.drain, options.AckDeadline),
		partitions: make(map[int32]*partition), room: make(chan struct{}, 1), settled: make(chan struct{}, 1),
		closing: make(chan struct{}), closed: make(chan struct{}),
	}
	id := "carillon"
	if options.Consumer != "" {
		id = options.Consumer
	}
	timeout := b.servers.settings.timeout
	session := max(b.shortest, min(options.AckDeadline, b.longest))
	ctx, stop := context.WithCancel(context.Background())
	client, err := kgo.NewClient(slices.Concat(b.servers.clientOptions(), []kgo.Opt{
		kgo.WithContext(ctx),
		kgo.ClientID(id),
		kgo.WithHooks(s.pulse),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(t.name),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(session),
		kgo.RebalanceTimeout(s.drain + timeout/2), // also how long a dead connection is waited for while joining
		kgo.HeartbeatInterval(min(heartbeat, session/4)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(16 << 20),
		kgo.FetchMaxWait(min(time.Second, timeout/4)),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.lost),
	})...)
	if err != nil {
		stop()
		return nil, carillon.Invalidf("settings of the Kafka consumer", "%v", err)
	}
	s.client, s.stop = client, stop
	s.working.Go(s.commitSettled)
	return s, nil
}

// Receive implements [carillon.Subscription].
func (s *subscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	for {
		if err := s.ended(ctx); err != nil {
			return nil, err
		}
		room, err := s.wait(ctx)
		if err != nil {
			return nil, err
		}
		deliveries, err := s.poll(ctx, min(room, max(limit, 1)))
		if len(deliveries) > 0 || err != nil {
			return deliveries, err
		}
		if err := s.alive(ctx); err != nil {
			return nil, err
		}
	}
}

func (s *subscription) ended(ctx context.Context) error {
	select {
	case <-s.closing:
		return carillon.ErrClosed
	default:
		return ctx.Err()
	}
}

// wait waits until there is room for deliveries, and returns for how many.
func (s *subscription) wait(ctx context.Context) (int, error) {
	for {
		s.mu.Lock()
		room := s.most - s.unsettled
		s.mu.Unlock()
		if room > 0 {
			return room, nil
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-s.closing:
			return 0, carillon.ErrClosed
		}
	}
}

// patience is how long a poll waits before it is looked whether the cluster is there.
const patience = time.Second

// poll waits a while for records and makes deliveries of them.
func (s *subscription) poll(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	s.polling.Lock()
	defer s.polling.Unlock()
	within, stop := context.WithTimeout(ctx, patience)
	defer stop()
	s.mu.Lock()
	if s.rebalances > 0 { // which has the lock next
		s.mu.Unlock()
		return nil, nil
	}
	s.interrupt = stop
	s.mu.Unlock()
	fetches := s.client.PollRecords(within, limit)
	deliveries := s.deliver(fetches)
	if len(deliveries) > 0 {
		return deliveries, nil
	}
	for _, fetched := range fetches.Errors() {
		switch group, ok := errors.AsType[*kgo.ErrGroupSession](fetched.Err); {
		case within.Err() != nil && errors.Is(fetched.Err, within.Err()):
		case s.ended(ctx) != nil:
			return nil, s.ended(ctx)
		case ok:
			return nil, failure(ctx, group.Err)
		default:
			return nil, failure(ctx, fetched.Err)
		}
	}
	return nil, nil
}

// deliver makes deliveries of records of the partitions this consumer has.
func (s *subscription) deliver(fetches kgo.Fetches) []carillon.Delivery {
	records := fetches.NumRecords()
	if records == 0 {
		return nil
	}
	deliveries, handles, taken := make([]carillon.Delivery, 0, records), make([]handle, 0, records), make([]*kgo.Record, 0, records)
	passed := false
	s.mu.Lock()
	fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
		p := s.partitions[fetched.Partition]
		if p == nil || p.leaving {
			return
		}
		for _, record := range fetched.Records {
			if !p.add(record) {
				passed = true
				continue
			}
			taken = append(taken, record)
			handles = append(handles, handle{p, record.Offset})
		}
	})
	s.unsettled += len(taken)
	s.mu.Unlock()
	for i, record := range taken {
		deliveries = append(deliveries, carillon.Delivery{Message: decode(record), Lost: handles[i].partition.lost, Handle: &handles[i]})
	}
	if passed {
		signal(s.settled)
	}
	return deliveries
}

// alive fails when the cluster has been silent for long.
func (s *subscription) alive(ctx context.Context) error {
	timeout := s.broker.servers.settings.timeout
	if s.pulse.quiet() < timeout {
		return nil
	}
	within, stop := context.WithTimeout(ctx, timeout/2)
	defer stop()
	if err := s.broker.client.Ping(within); err != nil {
		if ended := s.ended(ctx); ended != nil {
			return ended
		}
		return fmt.Errorf("%w: %w", carillon.ErrUnavailable, err)
	}
	return nil
}

// Ack implements [carillon.Subscription]. It returns before the offsets are committed, which follows within a moment, in order, and is
// tried again until it succeeds; Close waits for the last.
func (s *subscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if err := s.ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	settled := false
	for i := range deliveries {
		h, ok := deliveries[i].Handle.(*handle)
		if !ok {
			return carillon.Invalidf(fmt.Sprintf("delivery of message %q", deliveries[i].Message.ID), "it is settled where it was received")
		}
		if s.partitions[h.partition.id] == h.partition && h.partition.done(h.offset) {
			s.unsettled--
			settled = true
		}
	}
	if settled {
		signal(s.room)
		signal(s.settled)
	}
	return nil
}

// Close implements [carillon.Subscription]. It waits for the offsets to be committed.
func (s *subscription) Close() error {
	s.once.Do(func() {
		defer close(s.closed)
		s.mu.Lock()
		close(s.closing)
		if s.interrupt != nil {
			s.interrupt()
		}
		s.mu.Unlock()
		ctx, stop := context.WithTimeout(context.Background(), s.broker.servers.settings.timeout)
		defer stop()
		left := s.client.LeaveGroupContext(ctx) // which calls revoked
		s.stop()
		s.client.Close()
		s.working.Wait()
		s.forget(s.take(nil, true))
		if left != nil && s.failed != nil {
			s.failed = errors.Join(s.failed, failure(context.Background(), left))
		}
		s.broker.lifetime.Leave(s)
	})
	<-s.closed
	return s.failed
}

// signal wakes whoever waits at a channel of one.
func signal(waiting chan struct{}) {
	select {
	case waiting <- struct{}{}:
	default:
	}
}
