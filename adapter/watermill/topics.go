package watermill

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon"
)

// topics are what was declared in this process.
type topics struct {
	declaring chan struct{} // holds one while somebody declares

	mu      sync.Mutex
	brokers int
	byName  map[string]*topic
}

// topic is one that was declared. Its subscriptions have a feed that their consumers share, or nil where each has its own.
type topic struct {
	partitions    int
	subscriptions map[string]*feed
}

func newTopics() *topics {
	return &topics{declaring: make(chan struct{}, 1), byName: make(map[string]*topic)}
}

func (t *topics) opened() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.brokers++
}

// closed notes that a broker was closed. With the last one the feeds that consumers share end.
func (t *topics) closed() {
	t.mu.Lock()
	var feeds []*feed
	if t.brokers--; t.brokers == 0 {
		for _, at := range t.byName {
			for name, shared := range at.subscriptions {
				if shared != nil {
					feeds = append(feeds, shared)
					delete(at.subscriptions, name)
				}
			}
		}
	}
	t.mu.Unlock()
	var ending sync.WaitGroup
	for _, shared := range feeds {
		ending.Go(shared.close)
	}
	ending.Wait()
}

// routable says whether a topic is there, and whether it has a subscription.
func (t *topics) routable(name string) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.byName[name]
	if at == nil {
		return false, fmt.Errorf("topic %q: declare it first: %w", name, carillon.ErrNotFound)
	}
	return len(at.subscriptions) > 0, nil
}

// find returns the feed of a subscription, nil where each consumer has its own.
func (t *topics) find(name, subscription string) (*feed, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.byName[name]
	if at == nil {
		return nil, fmt.Errorf("topic %q: declare it first: %w", name, carillon.ErrNotFound)
	}
	shared, ok := at.subscriptions[subscription]
	if !ok {
		return nil, fmt.Errorf("subscription %q of topic %q: declare it first: %w", subscription, name, carillon.ErrNotFound)
	}
	return shared, nil
}

// missing checks a topic against what was declared before and returns the subscriptions it lacks.
func (t *topics) missing(wanted carillon.Topic) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.byName[wanted.Name]
	if at == nil {
		return wanted.Subscriptions, nil
	}
	if at.partitions != wanted.Partitions {
		return nil, fmt.Errorf("topic %q was declared with %d partitions, not %d: %w", wanted.Name, at.partitions, wanted.Partitions,
			carillon.ErrConflict)
	}
	var missing []string
	for _, name := range wanted.Subscriptions {
		if _, ok := at.subscriptions[name]; !ok {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// add notes a topic as declared, and one of its subscriptions when it has a name.
func (t *topics) add(wanted carillon.Topic, subscription string, shared *feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.byName[wanted.Name]
	if at == nil {
		at = &topic{partitions: wanted.Partitions, subscriptions: make(map[string]*feed)}
		t.byName[wanted.Name] = at
	}
	if subscription != "" {
		at.subscriptions[subscription] = shared
	}
}

// prepare makes a topic and the subscriptions it lacks, one caller at a time.
func (s *Source) prepare(ctx context.Context, wanted carillon.Topic) error {
	select {
	case s.topics.declaring <- struct{}{}:
		defer func() { <-s.topics.declaring }()
	case <-ctx.Done():
		return ctx.Err()
	}
	missing, err := s.topics.missing(wanted)
	if err != nil {
		return err
	}
	if s.declare != nil {
		if err := s.declare(ctx, wanted); err != nil {
			return fmt.Errorf("declare topic %q: %w", wanted.Name, unavailable(ctx, err))
		}
	}
	s.topics.add(wanted, "", nil)
	for _, name := range missing {
		shared, err := s.prepareSubscription(ctx, wanted.Name, name)
		if err != nil {
			return fmt.Errorf("declare subscription %q of topic %q: %w", name, wanted.Name, err)
		}
		s.topics.add(wanted, name, shared)
	}
	return nil
}

// prepareSubscription makes a subscription, and begins its feed where consumers share one.
func (s *Source) prepareSubscription(ctx context.Context, topic, name string) (*feed, error) {
	if s.volatile {
		return s.begin(ctx, topic, name)
	}
	if s.declare != nil {
		return nil, nil
	}
	subscriber, err := s.subscribers(ctx, topic, name)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	with, ok := subscriber.(message.SubscribeInitializer)
	if !ok {
		err = fmt.Errorf("its subscriber has no SubscribeInitialize: say how with Declaring: %w", carillon.ErrUnsupported)
		return nil, errors.Join(err, subscriber.Close())
	}
	err = bounded(ctx, func() error {
		return errors.Join(with.SubscribeInitialize(topic), subscriber.Close())
	}, func() {})
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	return nil, nil
}
