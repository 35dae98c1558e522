package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
)

// link is a connection that is made again when it is lost: whoever needs it next makes it, all others wait for the same attempt.
type link struct {
	source *Source
	name   string

	mu      sync.Mutex
	current *connection
	attempt *attempt
	failed  time.Time // when the last attempt failed
	closed  bool
}

// connection is a connection and what the server said about it.
type connection struct {
	*amqp.Connection

	socket  *corked
	blocked atomic.Bool   // the server takes nothing, because memory or disk run out
	ended   chan struct{} // closed with the connection
	watched chan struct{}
}

type attempt struct {
	done chan struct{}
	conn *connection
	err  error
}

// pause is how long after a failed attempt there is no other.
const pause = 100 * time.Millisecond

// get returns the connection, which it makes when there is none.
func (l *link) get(ctx context.Context) (*connection, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, carillon.ErrClosed
	}
	if l.current != nil && !l.current.IsClosed() {
		defer l.mu.Unlock()
		return l.current, nil
	}
	trying := l.attempt
	if trying == nil {
		trying = &attempt{done: make(chan struct{})}
		l.attempt = trying
		go l.try(trying, pause-time.Since(l.failed))
	}
	l.mu.Unlock()
	select {
	case <-trying.done:
		return trying.conn, trying.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *link) try(a *attempt, wait time.Duration) {
	if wait > 0 {
		<-time.After(wait)
	}
	a.conn, a.err = l.dial()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempt = nil
	switch {
	case a.err != nil:
		l.failed = time.Now()
	case l.closed:
		a.conn.end(l.source.timeout)
		a.conn, a.err = nil, carillon.ErrClosed
	default:
		l.current = a.conn
	}
	close(a.done)
}

func (l *link) dial() (*connection, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(l.source.prefix + " " + l.name)
	var socket *corked
	dialer := net.Dialer{Timeout: l.source.timeout}
	made, err := amqp.DialConfig(l.source.url, amqp.Config{
		Heartbeat: l.source.heartbeat, TLSClientConfig: l.source.tls, Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(context.Background(), network, address)
			if err != nil {
				return nil, err
			}
			socket = &corked{Conn: conn, timeout: l.source.timeout}
			return socket, conn.SetDeadline(time.Now().Add(l.source.timeout))
		},
	})
	if err != nil {
		return nil, unavailable(err)
	}
	c := &connection{Connection: made, socket: socket, ended: make(chan struct{}), watched: make(chan struct{})}
	closing, blocking := made.NotifyClose(make(chan *amqp.Error, 1)), made.NotifyBlocked(make(chan amqp.Blocking, 16))
	go c.watch(closing, blocking, l)
	return c, nil
}

// gone reports whether there is no connection.
func (c *connection) gone() bool { return c == nil || c.IsClosed() }

// watch follows a connection until it ends.
func (c *connection) watch(closing <-chan *amqp.Error, blocking <-chan amqp.Blocking, l *link) {
	defer close(c.watched)
	for {
		select {
		case state, ok := <-blocking:
			if !ok {
				blocking = nil
				continue
			}
			c.blocked.Store(state.Active)
			l.source.log.Warn("rabbitmq takes no messages for now, or again",
				slog.String("connection", l.name), slog.Bool("blocked", state.Active), slog.String("reason", state.Reason))
		case err := <-closing:
			if err != nil {
				l.source.log.Warn("rabbitmq connection lost", slog.String("connection", l.name), slog.Any("error", err))
			}
			close(c.ended)
			return
		}
	}
}

// end closes the connection and waits for what belongs to it.
func (c *connection) end(within time.Duration) {
	_ = c.CloseDeadline(time.Now().Add(within)) // the connection is gone whether or not the server has answered
	<-c.watched
}

// close ends the connection for good.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	current, trying := l.current, l.attempt
	l.mu.Unlock()
	if current != nil {
		current.end(l.source.timeout)
	}
	if trying != nil {
		<-trying.done
	}
}

// unavailable makes an error of the client one of ours.
func unavailable(err error) error {
	if errors.Is(err, carillon.ErrUnavailable) || errors.Is(err, carillon.ErrClosed) {
		return err
	}
	return fmt.Errorf("rabbitmq: %w: %w", carillon.ErrUnavailable, err)
}

// code is the reply code of the server's refusal, 0 for any other error.
func code(err error) int {
	if refusal, ok := errors.AsType[*amqp.Error](err); ok {
		return refusal.Code
	}
	return 0
}
