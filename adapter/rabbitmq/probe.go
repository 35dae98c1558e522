package rabbitmq

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
)

// Probe asks the server how much waits, and the consumers of the subscription how much they hold, for at most 300 ms: one that does
// not answer is not counted. The age of the oldest message is not known.
func (b *Broker) Probe(ctx context.Context, name, subscription string) (carillon.Backlog, error) {
	ctx, end, err := b.begin(ctx)
	if err != nil {
		return carillon.Backlog{}, err
	}
	defer end()
	t, err := b.topic(ctx, name)
	if err != nil {
		return carillon.Backlog{}, err
	}
	return within(ctx, b, func(ctx context.Context) (carillon.Backlog, error) { return b.probe(ctx, t, subscription) })
}

// answers is how long consumers have to say what they hold.
const answers = 300 * time.Millisecond

func (b *Broker) probe(ctx context.Context, t *topic, subscription string) (carillon.Backlog, error) {
	d, err := b.declarer(ctx)
	if err != nil {
		return carillon.Backlog{}, err
	}
	defer d.close()
	var backlog carillon.Backlog
	consumers := 0
	err = d.use(func(ch *amqp.Channel) error {
		for p := range t.partitions {
			q, err := ch.QueueDeclarePassive(b.names.queue(t.name, subscription, p), true, false, false, false, nil)
			if err != nil {
				return err
			}
			backlog.Waiting += int64(q.Messages)
			consumers += q.Consumers
		}
		if consumers == 0 {
			return nil
		}
		held, err := b.held(ctx, ch, b.names.subscription(t.name, subscription))
		backlog.Unsettled = held
		return err
	})
	if code(err) == notFound {
		return carillon.Backlog{}, fmt.Errorf("subscription %q of topic %q: %w", subscription, t.name, carillon.ErrNotFound)
	}
	if err != nil {
		return carillon.Backlog{}, unavailable(err)
	}
	return backlog, nil
}

// held asks all consumers and adds up.
func (b *Broker) held(ctx context.Context, ch *amqp.Channel, exchange string) (held int64, err error) {
	reply, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return 0, err
	}
	told, err := ch.Consume(reply.Name, "", true, true, false, false, nil)
	if err != nil {
		return 0, err
	}
	if err := b.announcer.say(ctx, exchange, "", amqp.Publishing{Type: sayAsk, ReplyTo: reply.Name}); err != nil {
		return 0, err
	}
	patience := time.NewTimer(answers)
	defer patience.Stop()
	for heard, expected := 0, 1; heard < expected; heard++ {
		select {
		case d, ok := <-told:
			if !ok {
				return 0, amqp.ErrClosed
			}
			held += int64(number(d.Headers["unsettled"]))
			expected = max(expected, number(d.Headers["members"]))
		case <-patience.C:
			return held, nil
		case <-ctx.Done():
			return 0, ended(ctx)
		}
	}
	return held, nil
}
