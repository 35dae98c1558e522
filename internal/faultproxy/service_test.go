package faultproxy_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/messaging"
)

// keys is how many keys the load is spread over.
const keys = 4

// counted is a message of a key, which has numbers from 0 on.
type counted struct {
	Name   string
	Number int
}

func (c counted) Key() string { return c.Name }

// effects are what a consumer did for a key: it counts, and notes what did not come as it should. They are changed in the transaction
// that notes the message as handled.
type effects struct {
	Count    int
	Next     int
	Overtook int // came before one that was published earlier
	Again    int // came after it had come
}

func (e effects) with(number int) effects {
	switch {
	case number > e.Next:
		e.Overtook++
	case number < e.Next:
		e.Again++
	}
	e.Count++
	e.Next = max(e.Next, number+1)
	return e
}

func topicOf(name string) *messaging.Topic {
	return messaging.NewTopic(name, messaging.Event[counted]("thing.counted"))
}

// service publishes to a topic from a store of its own, and consumes it and two more into another: all through a proxy. The topics
// direct and careless are published to past the outbox.
type service struct {
	t        testing.TB
	sender   *messaging.Engine
	outbox   *sqlite.Store
	receiver *messaging.Engine
	effects  *sqlite.Store
	port     carillon.Broker // of the publishers without an outbox
	topic    *messaging.Topic
}

// The topics, which are the names of their consumers too.
const (
	outboxed = "outboxed"
	direct   = "direct"
	careless = "careless"
)

// start runs the service until the test ends.
func start(t testing.TB, opener carillon.BrokerOpener) *service {
	t.Helper()
	s := &service{t: t, outbox: openStore(t), effects: openStore(t), topic: topicOf(outboxed)}
	s.sender = messaging.NewEngine(s.outbox, messaging.Over(opener))
	s.receiver = messaging.NewEngine(s.effects, messaging.Over(opener))
	must(t, s.sender.Publishes(s.topic))
	for _, name := range []string{outboxed, direct, careless} {
		must(t, s.receiver.Add(messaging.Consume(name, topicOf(name), messaging.On(
			func(_ context.Context, tx *messaging.Tx, c counted) error {
				done, _, err := messaging.Load[effects](tx, c.Name)
				if err != nil {
					return err
				}
				return messaging.Save(tx, c.Name, done.with(c.Number))
			}))))
	}
	run(t, s.receiver)
	run(t, s.sender)
	var err error
	if s.port, err = opener.OpenBroker(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.port.Close(); err != nil && !errors.Is(err, carillon.ErrUnavailable) {
			t.Error(err)
		}
	})
	return s
}

func openStore(t testing.TB) *sqlite.Store {
	t.Helper()
	store, err := sqlite.File(filepath.Join(t.TempDir(), "store.db"), sqlite.CacheSize(1<<20)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store.(*sqlite.Store)
}

func run(t testing.TB, e *messaging.Engine) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, carillon.ErrUnavailable) {
			t.Error(err)
		}
	})
	ready, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, e.Ready(ready))
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// done is what a consumer did for a key.
func (s *service) done(consumer string, key int) effects {
	s.t.Helper()
	e, err := messaging.Kept[effects](context.WithoutCancel(s.t.Context()), s.receiver, consumer, name(key))
	must(s.t, err)
	return e
}

// settled reports whether a consumer has done what was published of each key.
func (s *service) settled(consumer string, published []int) bool {
	for key, n := range published {
		if s.done(consumer, key).Count < n {
			return false
		}
	}
	return true
}

func name(key int) string { return fmt.Sprint("key ", key) }

// load publishes in the three ways until it is stopped.
type load struct {
	*service

	pace    time.Duration
	running sync.WaitGroup
	stop    context.CancelFunc

	outboxed [keys]atomic.Int64 // published of each key
	direct   [keys]atomic.Int64
	careless atomic.Int64
	calls    calls
}

// calls are those of the port.
type calls struct {
	mu      sync.Mutex
	begun   time.Time // the last that has ended
	failed  time.Time // when the last began that failed
	errors  int
	longest time.Duration
	wrong   []error
}

// note judges a call of the port.
func (c *calls) note(began time.Time, messages int, err error) {
	took := time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun, c.longest = began, max(c.longest, took)
	if err == nil {
		return
	}
	c.errors++
	c.failed = began
	unconfirmed, typed := errors.AsType[*carillon.PublishError](err)
	if !typed || !errors.Is(err, carillon.ErrUnavailable) || len(unconfirmed.Unconfirmed) == 0 || len(unconfirmed.Unconfirmed) > messages {
		c.wrong = append(c.wrong, err)
	}
}

func (c *calls) read() (begun, failed time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun, c.failed
}

func (s *service) load(pace time.Duration) *load {
	l := &load{service: s, pace: pace}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	l.stop = stop
	l.running.Go(func() { l.publish(ctx) })
	l.running.Go(func() { l.publishDirectly(ctx) })
	l.running.Go(func() { l.publishCarelessly(ctx) })
	s.t.Cleanup(l.end)
	return l
}

// end stops the load. What was not confirmed yet is published until it is.
func (l *load) end() {
	l.stop()
	l.running.Wait()
}

// publish publishes through the outbox.
func (l *load) publish(ctx context.Context) {
	for n := 0; processes.Rest(ctx, l.pace); n++ {
		for key := range keys {
			if err := l.sender.Publish(context.WithoutCancel(ctx), l.topic, counted{name(key), n}); err != nil {
				l.t.Errorf("publishing through the outbox: %v", err)
				return
			}
			l.outboxed[key].Add(1)
		}
	}
}

// publishDirectly calls the port until each message is confirmed, as whoever must not lose any does.
func (l *load) publishDirectly(ctx context.Context) {
	for n := 0; processes.Rest(ctx, l.pace); n++ {
		left := make([]carillon.Message, keys)
		for key := range left {
			left[key] = message(direct, key, n)
		}
		for len(left) > 0 {
			began := time.Now()
			err := l.port.Publish(context.WithoutCancel(ctx), direct, left)
			l.calls.note(began, len(left), err)
			left = unconfirmed(left, err)
			if len(left) > 0 && !processes.Rest(context.WithoutCancel(ctx), l.pace) {
				return
			}
		}
		for key := range keys {
			l.direct[key].Add(1)
		}
	}
}

func unconfirmed(messages []carillon.Message, err error) []carillon.Message {
	if err == nil {
		return nil
	}
	failed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok {
		return messages
	}
	var left []carillon.Message
	for _, i := range failed.Unconfirmed {
		left = append(left, messages[i])
	}
	return left
}

// publishCarelessly calls the port once for each message.
func (l *load) publishCarelessly(ctx context.Context) {
	for processes.Rest(ctx, l.pace) {
		n := int(l.careless.Add(1)) - 1
		began := time.Now()
		messages := []carillon.Message{message(careless, 0, n)}
		l.calls.note(began, 1, l.port.Publish(context.WithoutCancel(ctx), careless, messages))
	}
}

func message(topic string, key, number int) carillon.Message {
	return carillon.Message{
		Kind: carillon.KindEvent, Type: "thing.counted", ID: fmt.Sprintf("%s-%d-%d", topic, key, number), Key: name(key),
		ContentType: "application/json", Time: time.Now().UTC(), Payload: fmt.Appendf(nil, `{"Name":%q,"Number":%d}`, name(key), number),
	}
}
