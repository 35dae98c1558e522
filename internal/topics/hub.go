package topics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/grouping"
)

// Settings say what the tables are.
type Settings struct {
	Capabilities carillon.Capabilities
	// Alone says that no other process uses the tables, and that all transactions that write come one after the other: then nothing
	// is polled, and one transaction takes what is published to all topics.
	Alone bool
	// Unsafe is why the brokers are refused, an [carillon.ErrUnsafe]; nil when they are not.
	Unsafe error
	// Timeout bounds each call to the tables. 0 is 10 s.
	Timeout time.Duration
	// Logger is told what goes wrong in the background. Nil is silent.
	Logger *slog.Logger
}

// Hub is what the brokers of one store share within a process.
type Hub struct {
	tables   Tables
	settings Settings
	poller   poller

	mu      sync.Mutex
	streams map[string]*stream
	groups  map[string]*grouping.Group[*Publication]
	closed  bool
	calls   sync.WaitGroup // of what began before the hub was closed
}

const (
	// maxBatchSize bounds what one transaction publishes, in bytes of payload; a message counts for messageSize more.
	maxBatchSize = 4 << 20
	messageSize  = 1 << 10
)

// NewHub makes a hub. It does no I/O.
func NewHub(tables Tables, settings Settings) *Hub {
	if settings.Timeout <= 0 {
		settings.Timeout = 10 * time.Second
	}
	if settings.Logger == nil {
		settings.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{tables: tables, settings: settings, streams: make(map[string]*stream), groups: make(map[string]*grouping.Group[*Publication])}
	h.poller.hub = h
	return h
}

// Close has all consumers leave and waits for what is under way. It may be called twice.
func (h *Hub) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.calls.Wait()
	var failures []error
	for _, s := range h.watched() {
		for _, c := range s.members() {
			failures = append(failures, c.Close())
		}
	}
	for _, group := range h.groups {
		group.Wait()
	}
	h.poller.stop()
	return errors.Join(failures...)
}

// enter keeps the hub from closing until done is called.
func (h *Hub) enter() (done func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, carillon.ErrClosed
	}
	h.calls.Add(1)
	return h.calls.Done, nil
}

// Prepare returns what a transaction of the store's own publishes to a topic. It finds the topic with find where it is not known. The
// transaction writes it as its last step, and announces it once it is committed.
func (h *Hub) Prepare(name string, messages []carillon.Message, find func(name string) (Topic, error)) (*Publication, error) {
	if h.settings.Unsafe != nil {
		return nil, h.settings.Unsafe
	}
	s := h.known(name)
	if s == nil {
		topic, err := find(name)
		if err != nil {
			return nil, err
		}
		s = h.learn(topic)
	}
	if err := h.check(messages); err != nil {
		return nil, err
	}
	return s.publication(messages), nil
}

// Announce says that publications were committed by a transaction of the store's own.
func (h *Hub) Announce(publications []*Publication) {
	for _, p := range publications {
		if s := h.known(p.Topic.Name); s != nil {
			s.announce(p)
			h.prune(s, len(p.Messages))
		}
	}
}

// check refuses messages that are too large.
func (h *Hub) check(messages []carillon.Message) error {
	limit := h.settings.Capabilities.MaxPayload
	for i := range messages {
		if m := &messages[i]; len(m.Payload) > limit {
			return fmt.Errorf("%s %q has a payload of %d bytes, the limit is %d: %w", m.Kind, m.Type, len(m.Payload), limit, carillon.ErrTooLarge)
		}
	}
	return nil
}

func (h *Hub) known(name string) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams[name]
}

func (h *Hub) learn(topic Topic) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.streams[topic.Name]
	if s == nil {
		s = &stream{Topic: topic}
		h.streams[topic.Name] = s
	}
	return s
}

// stream returns a topic, or [carillon.ErrNotFound].
func (h *Hub) stream(ctx context.Context, name string) (*stream, error) {
	if s := h.known(name); s != nil {
		return s, nil
	}
	ctx, cancel := within(ctx, h.settings.Timeout)
	defer cancel()
	topic, err := h.tables.Topic(ctx, name)
	err = late(ctx, err)
	if errors.Is(err, carillon.ErrNotFound) {
		err = fmt.Errorf("topic %q: declare it first: %w", name, carillon.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return h.learn(topic), nil
}

// group returns the group that a topic's publications go through.
func (h *Hub) group(s *stream) *grouping.Group[*Publication] {
	name := s.Name
	if h.settings.Alone {
		name = ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	group := h.groups[name]
	if group == nil {
		group = grouping.New(maxBatchSize, weight, h.commit)
		h.groups[name] = group
	}
	return group
}

func weight(p *Publication) int {
	size := 0
	for i := range p.Messages {
		size += messageSize + len(p.Messages[i].Payload)
	}
	return size
}

// commit writes what callers published meanwhile, and wakes the consumers.
func (h *Hub) commit(batch []*Publication) {
	ctx, cancel := within(context.Background(), h.settings.Timeout)
	defer cancel()
	err := late(ctx, h.write(ctx, batch))
	for _, p := range batch {
		if err != nil {
			p.Err = err
		}
		if p.Err == nil {
			h.Announce([]*Publication{p})
		}
	}
}

// write has the tables write; a panic there must not leave callers waiting for ever.
func (h *Hub) write(ctx context.Context, batch []*Publication) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the store panicked: %v: %w", cause, carillon.ErrOutcomeUnknown)
		}
	}()
	return h.tables.Write(ctx, batch)
}

// prune deletes what nobody needs once enough was published, or time has passed.
func (h *Hub) prune(s *stream, published int) {
	if s.published.Add(int64(published)) < pruneEvery {
		return
	}
	s.published.Store(0)
	h.poller.ask(s)
}
