package watermill_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon/adapter/watermill"
)

// groups is a Pub/Sub of watermill with consumer groups, which it keeps. It gives each subscriber one message at a time, and a group as
// many as it says: one are in order.
type groups struct {
	atOnce int

	mu        sync.Mutex
	topics    map[string]map[string]*group
	fails     error                // what calls give
	published []string             // the UUIDs, in the order they came
	ended     []context.CancelFunc // end the subscriptions as if by themselves
}

// group is a consumer group of a topic.
type group struct {
	turns   chan struct{} // holds one for each subscriber that has a message, or waits for one
	waiting []*message.Message
	came    chan struct{} // says that something waits
	settled []string
}

func newGroups(atOnce int) *groups {
	return &groups{atOnce: atOnce, topics: make(map[string]map[string]*group)}
}

// source makes a broker of it.
func (g *groups) source(options ...watermill.Option) *watermill.Source {
	return watermill.PubSub(
		func(context.Context) (message.Publisher, error) { return g, nil },
		func(_ context.Context, _, subscription string) (message.Subscriber, error) {
			return g.subscriber(subscription), nil
		},
		append([]watermill.Option{watermill.Name("groups"), watermill.Retains()}, options...)...)
}

func (g *groups) subscriber(name string) *member {
	return &member{place: g, name: name, closing: make(chan struct{})}
}

// group returns a group, which begins with what comes from now on.
func (g *groups) group(topic, name string) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.topics[topic] == nil {
		g.topics[topic] = make(map[string]*group)
	}
	if g.topics[topic][name] == nil {
		g.topics[topic][name] = &group{turns: make(chan struct{}, g.atOnce), came: make(chan struct{}, 1)}
	}
	return g.topics[topic][name]
}

// settled are the UUIDs that a group has acknowledged.
func (g *groups) settled(topic, name string) []string {
	at := g.group(topic, name)
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(at.settled)
}

// uuids are those the publisher was given, in order.
func (g *groups) uuids() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.published)
}

// fail has calls fail from now on, or no longer.
func (g *groups) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fails = err
}

func (g *groups) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fails
}

// endAll ends all subscriptions as if by themselves.
func (g *groups) endAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, end := range g.ended {
		end()
	}
	g.ended = nil
}

func (g *groups) Publish(topic string, messages ...*message.Message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fails != nil {
		return g.fails
	}
	for _, m := range messages {
		g.published = append(g.published, m.UUID)
		for _, at := range g.topics[topic] {
			at.waiting = append(at.waiting, m.Copy())
			at.wake()
		}
	}
	return nil
}

func (*groups) Close() error { return nil }

func (at *group) wake() {
	select {
	case at.came <- struct{}{}:
	default:
	}
}

// take takes the first message that waits.
func (g *groups) take(at *group) *message.Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(at.waiting) == 0 {
		return nil
	}
	first := at.waiting[0]
	if at.waiting = at.waiting[1:]; len(at.waiting) > 0 {
		at.wake()
	}
	return first
}

// finish notes a message as settled, or puts it back.
func (g *groups) finish(at *group, m *message.Message, settled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if settled {
		at.settled = append(at.settled, m.UUID)
		return
	}
	at.waiting = slices.Insert(at.waiting, 0, m)
	at.wake()
}

// member is a subscriber of a group.
type member struct {
	place   *groups
	name    string
	once    sync.Once
	closing chan struct{}
	running sync.WaitGroup
}

func (s *member) SubscribeInitialize(topic string) error {
	s.place.group(topic, s.name)
	return s.place.failure()
}

func (s *member) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := s.SubscribeInitialize(topic); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	s.place.mu.Lock()
	s.place.ended = append(s.place.ended, end)
	s.place.mu.Unlock()
	out, at := make(chan *message.Message), s.place.group(topic, s.name)
	s.running.Go(func() {
		defer close(out)
		defer end()
		for s.next(ctx, at, out) {
		}
	})
	return out, nil
}

// next gives out one message until it is acknowledged, and reports whether there is to be another.
func (s *member) next(ctx context.Context, at *group, out chan<- *message.Message) bool {
	select {
	case at.turns <- struct{}{}:
		defer func() { <-at.turns }()
	case <-s.closing:
		return false
	case <-ctx.Done():
		return false
	}
	waiting := s.place.take(at)
	if waiting == nil {
		select {
		case <-at.came:
		case <-s.closing:
			return false
		case <-ctx.Done():
			return false
		}
		return true
	}
	given, stop := context.WithCancel(ctx)
	defer stop()
	settled, ended := false, false
	for !settled && !ended {
		m := waiting.Copy()
		m.SetContext(given)
		select {
		case out <- m:
		case <-s.closing:
			ended = true
		case <-ctx.Done():
			ended = true
		}
		if ended {
			break
		}
		select {
		case <-m.Acked():
			settled = s.write(ctx)
			ended = !settled
		case <-m.Nacked():
		case <-s.closing:
			ended = true
		case <-ctx.Done():
			ended = true
		}
	}
	s.place.finish(at, waiting, settled)
	return !ended
}

// write writes an acknowledgement down, which takes a moment and is given up when the subscriber is closed meanwhile, as in watermill's own.
func (s *member) write(ctx context.Context) bool {
	select {
	case <-time.After(100 * time.Microsecond):
		return true
	case <-s.closing:
	case <-ctx.Done():
	}
	return false
}

func (s *member) Close() error {
	s.once.Do(func() { close(s.closing) })
	s.running.Wait()
	return nil
}

var errBroken = errors.New("broken")
