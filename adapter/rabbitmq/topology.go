package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/clients"
)

// topic is what a client knows of a topic.
type topic struct {
	name       string
	partitions int
	bounded    atomic.Bool // messages may be refused because it is full
	turns      clients.Turns
}

// partition returns where a message goes.
func (t *topic) partition(key string) int { return t.turns.Partition(key, t.partitions) }

// Declare makes exchanges and queues. It refuses queues that are there under these names and are no quorum queues, or would drop
// messages, with [carillon.ErrUnsafe]. A limit is that of the declaration which made the queue.
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
		_, err := within(ctx, b, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.declare(ctx, t) })
		if err != nil {
			return fmt.Errorf("declare topic %q: %w", t.Name, err)
		}
		b.mu.Lock()
		b.remember(t)
		b.mu.Unlock()
	}
	return nil
}

// remember keeps a declaration, with the subscriptions declared before.
func (b *Broker) remember(t carillon.Topic) {
	known := make(map[string]bool)
	for _, name := range t.Subscriptions {
		known[name] = true
	}
	for _, name := range b.declared[t.Name].Subscriptions {
		if !known[name] {
			t.Subscriptions = append(t.Subscriptions[:len(t.Subscriptions):len(t.Subscriptions)], name)
		}
	}
	b.declared[t.Name] = t
}

// restore declares again what this client declared, once for each connection, in case the server has lost it.
func (b *Broker) restore(ctx context.Context) {
	conn, err := b.incoming.get(ctx)
	if err != nil {
		return
	}
	b.restoring.Lock()
	defer b.restoring.Unlock()
	if b.restored == conn {
		return
	}
	b.mu.Lock()
	var all []carillon.Topic
	for _, t := range b.declared {
		all = append(all, t)
	}
	b.mu.Unlock()
	for _, t := range all {
		if err := b.declare(ctx, t); err != nil {
			b.source.log.Warn("a topic was not declared again", slog.String("topic", t.Name), slog.Any("error", err))
			return
		}
	}
	b.restored = conn
}

func (b *Broker) declare(ctx context.Context, t carillon.Topic) error {
	d, err := b.declarer(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.partitions(ctx, t); err != nil {
		return err
	}
	if err := d.exchange(b.names.topic(t.Name), amqp.ExchangeDirect); err != nil {
		return err
	}
	if t.Limit > 0 {
		if err := d.exchange(b.names.bounded(t.Name), amqp.ExchangeFanout); err != nil {
			return err
		}
	}
	for _, subscription := range t.Subscriptions {
		if err := d.exchange(b.names.subscription(t.Name, subscription), amqp.ExchangeFanout); err != nil {
			return err
		}
		for p := range t.Partitions {
			if err := ctx.Err(); err != nil {
				return ended(ctx)
			}
			if err := d.queue(t, subscription, p); err != nil {
				return err
			}
		}
	}
	known := &topic{name: t.Name, partitions: t.Partitions}
	b.mu.Lock()
	defer b.mu.Unlock()
	if before := b.topics[t.Name]; before != nil {
		known = before
	}
	if t.Limit > 0 {
		known.bounded.Store(true)
	}
	b.topics[t.Name] = known
	return nil
}

// topic returns what there is to know of a topic, which somebody else may have declared.
func (b *Broker) topic(ctx context.Context, name string) (*topic, error) {
	b.mu.Lock()
	known := b.topics[name]
	b.mu.Unlock()
	if known != nil {
		return known, nil
	}
	return within(ctx, b, func(ctx context.Context) (*topic, error) { return b.ask(ctx, name) })
}

// ask asks the server for a topic.
func (b *Broker) ask(ctx context.Context, name string) (*topic, error) {
	d, err := b.declarer(ctx)
	if err != nil {
		return nil, err
	}
	defer d.close()
	count, err := d.count(b.names.topic(name))
	if code(err) == notFound || err == nil && count == 0 {
		return nil, fmt.Errorf("topic %q: %w", name, carillon.ErrNotFound)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	if _, err := d.declareQueue(b.names.topic(name), partitionsTable(count)); code(err) == preconditionFailed {
		return nil, fmt.Errorf("topic %q is being declared: %w", name, carillon.ErrNotFound) // it does not hold all its messages yet
	} else if err != nil {
		return nil, unavailable(err)
	}
	known := &topic{name: name, partitions: count}
	err = d.use(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(b.names.bounded(name), amqp.ExchangeFanout, true, false, false, false, nil)
	})
	if err != nil && code(err) != notFound {
		return nil, unavailable(err)
	}
	known.bounded.Store(err == nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	if before := b.topics[name]; before != nil {
		return before, nil
	}
	b.topics[name] = known
	return known, nil
}

// forgetAll forgets what is known of topics, because the server does not have one of them any more.
func (b *Broker) forgetAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.topics)
}
