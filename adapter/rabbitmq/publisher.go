package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
)

// publisher publishes through one channel, which it replaces when it is lost.
type publisher struct {
	broker  *Broker
	running sync.WaitGroup // the goroutines of all sessions
	session atomic.Pointer[publishing]

	mu   sync.Mutex  // held while a session is made
	last *connection // the connection of the last session
}

// publishing is one channel's time. One goroutine writes, another takes the confirms in the same order.
type publishing struct {
	broker  *Broker
	conn    *connection
	ch      *amqp.Channel
	returns chan amqp.Return
	calls   chan *call
	pending chan pending
	leaving chan struct{} // closed when the session takes no more calls
	leave   func()
}

// pending is a message that was written and not yet confirmed.
type pending struct {
	call    *call
	index   int
	confirm *amqp.DeferredConfirmation
}

// call is one call's messages on their way.
type call struct {
	topic    *topic
	exchange string
	keys     []string
	messages []amqp.Publishing
	given    atomic.Bool // nobody waits any more: what is not written yet stays

	mu       sync.Mutex
	left     int
	outcomes []error
	done     chan struct{}
}

var errPending = errors.New("not confirmed yet")

func newCall(t *topic, exchange string, messages []amqp.Publishing, keys []string) *call {
	c := &call{
		topic: t, exchange: exchange, keys: keys, messages: messages, left: len(messages), outcomes: make([]error, len(messages)),
		done: make(chan struct{}),
	}
	for i := range c.outcomes {
		c.outcomes[i] = errPending
	}
	return c
}

func (c *call) settle(index int, outcome error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes[index] = outcome
	c.left--
	if c.left == 0 {
		close(c.done)
	}
}

// fail gives up what was not written, from a message on.
func (c *call) fail(from int, err error) {
	for i := from; i < len(c.messages); i++ {
		c.settle(i, err)
	}
}

// wait waits until all is confirmed, and returns what became of each message.
func (c *call) wait(ctx context.Context) []error {
	select {
	case <-c.done:
		return c.outcomes
	case <-ctx.Done():
	}
	c.given.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	outcomes := make([]error, len(c.outcomes))
	for i, outcome := range c.outcomes {
		if errors.Is(outcome, errPending) {
			outcome = ended(ctx)
		}
		outcomes[i] = outcome
	}
	return outcomes
}

// get returns the session, a new one when the last has ended.
func (p *publisher) get(ctx context.Context) (*publishing, error) {
	s := p.session.Load()
	if s == nil || s.ch.IsClosed() {
		var err error
		if s, err = within(ctx, p.broker, p.begin); err != nil {
			return nil, err
		}
	}
	if s.conn.blocked.Load() {
		return nil, fmt.Errorf("rabbitmq: the server takes no messages until it has memory and disk space again: %w", carillon.ErrUnavailable)
	}
	return s, nil
}

func (p *publisher) begin(ctx context.Context) (*publishing, error) {
	conn, err := p.broker.outgoing.get(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.session.Load(); s != nil && !s.ch.IsClosed() {
		return s, nil
	}
	if p.last != nil && p.last != conn {
		p.broker.restore(ctx)
	}
	s := &publishing{
		broker: p.broker, conn: conn, calls: make(chan *call), leaving: make(chan struct{}), pending: make(chan pending, p.broker.source.window),
	}
	s.leave = sync.OnceFunc(func() { close(s.leaving) })
	if s.ch, err = conn.Channel(); err != nil {
		return nil, unavailable(err)
	}
	if err := s.ch.Confirm(false); err != nil {
		return nil, unavailable(err)
	}
	s.returns = s.ch.NotifyReturn(make(chan amqp.Return, 2*p.broker.source.window+2)) // the client waits for nobody who has no room
	closing := s.ch.NotifyClose(make(chan *amqp.Error, 1))
	p.session.Store(s)
	p.last = conn
	p.running.Go(func() { s.write(closing) })
	p.running.Go(s.confirm)
	return s, nil
}

func (p *publisher) close() {
	if s := p.session.Load(); s != nil {
		s.leave()
		_ = s.ch.Close() // nobody waits for a confirm any more
	}
	p.running.Wait()
}

// do hands a call to the session and waits for it.
func (p *publisher) do(ctx context.Context, c *call) []error {
	s, err := p.get(ctx)
	if err == nil {
		select {
		case s.calls <- c:
			return c.wait(ctx)
		case <-s.leaving:
			err = unavailable(amqp.ErrClosed)
		case <-ctx.Done():
			err = ended(ctx)
		}
	}
	c.fail(0, err)
	return c.outcomes
}

// write writes calls until the channel ends.
func (s *publishing) write(closing <-chan *amqp.Error) {
	defer close(s.pending)
	for {
		select {
		case c := <-s.calls:
			s.writeCall(c)
		case <-s.leaving:
			return
		case err := <-closing:
			s.lost(err)
			return
		}
	}
}

func (s *publishing) writeCall(c *call) {
	s.conn.socket.cork()
	defer s.conn.socket.uncork()
	for i := range c.messages {
		if c.given.Load() {
			c.fail(i, carillon.ErrTimeout)
			return
		}
		confirm, err := s.ch.PublishWithDeferredConfirm(c.exchange, c.keys[i], true, false, c.messages[i])
		if err != nil {
			c.fail(i, unavailable(err))
			return
		}
		if len(s.pending) == cap(s.pending) { // what is to be confirmed must be written
			s.conn.socket.uncork()
			s.pending <- pending{c, i, confirm}
			s.conn.socket.cork()
		} else {
			s.pending <- pending{c, i, confirm}
		}
	}
}

// lost ends a session whose channel is gone: another begins with the next call.
func (s *publishing) lost(err *amqp.Error) {
	s.leave()
	if err != nil {
		s.broker.source.log.Warn("rabbitmq channel for publishing lost", slog.Any("error", err))
	}
	if err != nil && err.Code == notFound {
		s.broker.forgetAll()
	}
}

// confirm takes confirms in the order of writing. The client hands on what the server returned before it handles the confirm, so a
// message that was returned is known by then.
func (s *publishing) confirm() {
	var returned []string
	for p := range s.pending {
		<-p.confirm.Done()
		for more := true; more; {
			select {
			case r, ok := <-s.returns:
				if more = ok; ok {
					returned = append(returned, r.MessageId)
				}
			default:
				more = false
			}
		}
		switch {
		case len(returned) > 0 && returned[0] == p.call.messages[p.index].MessageId: // they come in the order of writing
			returned = returned[1:]
			p.call.settle(p.index, fmt.Errorf("topic %q: %w", p.call.topic.name, carillon.ErrUnroutable))
		case p.confirm.Acked():
			p.call.settle(p.index, nil)
		case s.ch.IsClosed():
			p.call.settle(p.index, unavailable(amqp.ErrClosed))
		default:
			p.call.topic.bounded.Store(true)
			p.call.settle(p.index, fmt.Errorf("topic %q: %w", p.call.topic.name, carillon.ErrTopicFull))
		}
	}
}
