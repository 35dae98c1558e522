package redisstream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// topic is what a client knows of a topic.
type topic struct {
	name          string
	partitions    int
	bounded       bool
	subscriptions map[string]bool
	streams       []string // the keys of the partitions
	turns         *clients.Turns
	asked         time.Time
	trimmed       atomic.Int64 // when this client saw to it last, in Unix seconds
}

// partition returns where a message goes.
func (t *topic) partition(key string) int { return t.turns.Partition(key, t.partitions) }

// Declare makes streams and consumer groups. A limit that is declared replaces the one before; a retention only grows.
func (b *Broker) Declare(ctx context.Context, topics ...carillon.Topic) error {
	for i := range topics {
		if err := topics[i].Check(); err != nil {
			return err
		}
	}
	ctx, end, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	for i := range topics {
		t := topics[i].WithDefaults()
		arguments := []any{t.Partitions, t.Limit, t.Retention.Milliseconds()}
		for _, subscription := range t.Subscriptions {
			arguments = append(arguments, subscription)
		}
		result, err := b.run(ctx, b.scripts.declare, []string{b.names.topic(t.Name)}, arguments...)
		if err != nil {
			return fmt.Errorf("declare topic %q: %w", t.Name, err)
		}
		if result != int64(t.Partitions) {
			return fmt.Errorf("declare topic %q: it has %v partitions, not %d: %w", t.Name, result, t.Partitions, carillon.ErrConflict)
		}
		b.forget(t.Name)
	}
	return nil
}

// askEvery is how often a client asks for what others may have declared since: a limit, and subscriptions.
const askEvery = 5 * time.Second

// topic returns what there is to know of a topic.
func (b *Broker) topic(ctx context.Context, name string) (*topic, error) {
	b.mu.Lock()
	known := b.topics[name]
	b.mu.Unlock()
	if known != nil && time.Since(known.asked) < askEvery {
		return known, nil
	}
	facts, err := b.client.HGetAll(ctx, b.names.topic(name)).Result()
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	t := &topic{name: name, asked: time.Now(), subscriptions: make(map[string]bool), bounded: facts["limit"] != "", turns: new(clients.Turns)}
	if t.partitions, err = strconv.Atoi(facts["partitions"]); err != nil {
		return nil, fmt.Errorf("topic %q: %w", name, carillon.ErrNotFound)
	}
	for fact := range facts {
		if subscription, ok := strings.CutPrefix(fact, "subscription:"); ok {
			t.subscriptions[subscription] = true
		}
	}
	for p := range t.partitions {
		t.streams = append(t.streams, b.names.stream(name, p))
	}
	t.trimmed.Store(t.asked.Unix())
	if known != nil {
		t.trimmed.Store(known.trimmed.Load())
		t.turns = known.turns
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[name] = t
	return t, nil
}

// with returns a topic that has a subscription, or any when none is named.
func (b *Broker) with(ctx context.Context, name, subscription string) (*topic, error) {
	for again := false; ; again = true {
		t, err := b.topic(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case t.subscriptions[subscription] || subscription == "" && len(t.subscriptions) > 0:
			return t, nil
		case again && subscription == "":
			return nil, fmt.Errorf("topic %q: %w", name, carillon.ErrUnroutable)
		case again:
			return nil, fmt.Errorf("subscription %q of topic %q: %w", subscription, name, carillon.ErrNotFound)
		}
		b.forget(name) // another client may have declared it since
	}
}

// forget has the server asked again.
func (b *Broker) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.topics, name)
}
