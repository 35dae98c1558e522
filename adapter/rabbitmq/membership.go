package rabbitmq

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// membership is a consumer's time among the members of a subscription, on one connection. One goroutine runs it.
type membership struct {
	subscription *subscription
	conn         *connection
	ch           *amqp.Channel
	members      *members
	told         <-chan amqp.Delivery
	stop         chan struct{}    // closed when all partitions are to end
	tasks        map[int]*release // the partitions consumed from
	ended        chan int         // partitions whose consumption has ended
	working      sync.WaitGroup
}

const (
	tick    = time.Second            // how often a member looks after another
	refresh = 5                      // ticks between two words that it is there
	welcome = 250 * time.Millisecond // how long a new member waits for the others
)

// run keeps the subscription going until it is closed.
func (s *subscription) run(ctx context.Context) {
	defer func() {
		s.broker.lifetime.Leave(s)
		close(s.done)
	}()
	for ctx.Err() == nil {
		conn, err := s.broker.incoming.get(ctx)
		if err == nil {
			s.broker.restore(ctx)
			s.setConnected(true)
			err = s.takePart(ctx, conn)
		}
		if ctx.Err() != nil {
			return
		}
		s.setConnected(!conn.gone())
		s.heals(err, "all")
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// heals logs what is tried again.
func (s *subscription) heals(err error, what string) {
	s.broker.source.log.Warn("rabbitmq subscription interrupted", slog.String("topic", s.topic.name),
		slog.String("subscription", s.name), slog.String("what", what), slog.Any("error", err))
}

// takePart is a member until the connection or the subscription ends.
func (s *subscription) takePart(ctx context.Context, conn *connection) error {
	m := &membership{
		subscription: s, conn: conn, members: newMembers(s.id), stop: make(chan struct{}), tasks: make(map[int]*release),
		ended: make(chan int, s.topic.partitions),
	}
	var err error
	if m.ch, err = conn.Channel(); err != nil {
		return unavailable(err)
	}
	defer m.ch.Close()
	defer m.working.Wait()
	defer close(m.stop)
	if err := m.join(ctx); err != nil {
		return unavailable(err)
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	m.assign()
	for {
		select {
		case d, ok := <-m.told:
			if !ok {
				return unavailable(amqp.ErrClosed)
			}
			if m.hear(ctx, &d) {
				m.assign()
			}
		case p := <-m.ended:
			delete(m.tasks, p)
			m.assign()
		case <-ticker.C:
			if m.members.tick++; m.members.tick%refresh == 0 {
				m.say(ctx, sayHere, "")
			}
			if m.lookAfter(ctx) {
				m.assign()
			}
		case <-conn.ended:
			return unavailable(amqp.ErrClosed)
		case <-ctx.Done():
			m.say(context.WithoutCancel(ctx), sayGone, "")
			return nil
		}
	}
}

// join makes the member's own queue, says hello and waits for the others' answers.
func (m *membership) join(ctx context.Context) error {
	s, own := m.subscription, m.subscription.broker.names.member(m.members.self)
	others, err := m.ch.QueueDeclarePassive(s.broker.names.queue(s.topic.name, s.name, 0), true, false, false, false, nil)
	if err != nil {
		return err
	}
	if _, err := m.ch.QueueDeclare(own, false, true, true, false, amqp.Table{"x-max-length": int32(1000)}); err != nil {
		return err
	}
	if err := m.ch.QueueBind(own, "", s.broker.names.subscription(s.topic.name, s.name), false, nil); err != nil {
		return err
	}
	if m.told, err = m.ch.Consume(own, "", true, true, false, false, nil); err != nil {
		return err
	}
	m.say(ctx, sayHello, "")
	if others.Consumers == 0 {
		return nil
	}
	patience := time.NewTimer(welcome)
	defer patience.Stop()
	for expected := 2; len(m.members.all) < expected; {
		select {
		case d, ok := <-m.told:
			if !ok {
				return amqp.ErrClosed
			}
			m.hear(ctx, &d)
			expected = max(expected, number(d.Headers["members"]))
		case <-patience.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// say tells all members, or one, something. What does not get through is said again with a later tick.
func (m *membership) say(ctx context.Context, what, to string) {
	s := m.subscription
	exchange, key := s.broker.names.subscription(s.topic.name, s.name), ""
	if to != "" {
		exchange, key = "", to
	}
	message := amqp.Publishing{Type: what, MessageId: m.members.self, Headers: amqp.Table{"members": int32(len(m.members.all))}}
	if what == sayHolds {
		message.Headers["unsettled"] = int64(s.unsettled())
	}
	m.send(ctx, exchange, key, message)
}

func (m *membership) send(ctx context.Context, exchange, key string, message amqp.Publishing) {
	if err := m.subscription.broker.announcer.say(ctx, exchange, key, message); err != nil {
		m.subscription.heals(err, "talk among consumers")
	}
}

// hear reports whether the members are others than before.
func (m *membership) hear(ctx context.Context, d *amqp.Delivery) bool {
	if d.Type == sayAsk {
		m.say(ctx, sayHolds, d.ReplyTo)
		return false
	}
	if d.MessageId == m.members.self {
		return false
	}
	switch d.Type {
	case sayHello:
		changed := m.members.add(d.MessageId)
		m.say(ctx, sayHere, m.subscription.broker.names.member(d.MessageId))
		return changed
	case sayHere:
		return m.members.add(d.MessageId)
	case sayGone:
		return m.members.remove(d.MessageId)
	default:
		return false
	}
}

// lookAfter asks the server after the next member, and after those that are silent. It reports whether somebody was missing.
func (m *membership) lookAfter(ctx context.Context) (missing bool) {
	for next := m.members.next(); next != "" && m.isGone(ctx, next); next = m.members.next() {
		missing = true
	}
	for _, id := range m.members.silent() {
		missing = m.isGone(ctx, id) || missing
	}
	return missing
}

// isGone reports whether a member's queue is no more, for it goes with the member's connection. It tells the others then.
func (m *membership) isGone(ctx context.Context, id string) bool {
	s := m.subscription
	d := &declarer{broker: s.broker, conn: m.conn}
	_, err := d.count(s.broker.names.member(id))
	d.close()
	if code(err) != notFound { // it is there, and locked by another connection
		m.members.add(id)
		return false
	}
	m.members.remove(id)
	m.send(ctx, s.broker.names.subscription(s.topic.name, s.name), "", amqp.Publishing{Type: sayGone, MessageId: id})
	return true
}

// assign begins to consume from partitions that are this member's, and releases those that are not.
func (m *membership) assign() {
	late := &sync.WaitGroup{}
	for p, mine := range m.members.assigned(m.subscription.topic.partitions) {
		task := m.tasks[p]
		switch {
		case mine && task == nil:
			m.begin(p)
		case !mine && task != nil && task.ask(late):
			defer close(task.begun)
		}
	}
}

func (m *membership) begin(partition int) {
	task := &release{begun: make(chan struct{})}
	m.tasks[partition] = task
	m.working.Go(func() {
		if err := m.consume(partition, task); err != nil {
			m.subscription.heals(err, "partition "+strconv.Itoa(partition))
			select {
			case <-time.After(pause):
			case <-m.stop:
			}
		}
		task.finish()
		m.ended <- partition
	})
}
