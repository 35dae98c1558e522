package rabbitmq

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
)

// unlimited is how often a message is delivered before the server drops it: never. A server of version 4 drops after 20 unless told.
const unlimited = math.MaxInt32

// The server's refusals.
const (
	notFound           = http.StatusNotFound
	locked             = http.StatusMethodNotAllowed
	preconditionFailed = http.StatusNotAcceptable
)

// declarer makes things on the server. A refusal costs it its channel, and it takes another.
type declarer struct {
	broker *Broker
	conn   *connection
	ch     *amqp.Channel
}

func (b *Broker) declarer(ctx context.Context) (*declarer, error) {
	conn, err := b.incoming.get(ctx)
	if err != nil {
		return nil, err
	}
	return &declarer{broker: b, conn: conn}, nil
}

func (d *declarer) use(f func(ch *amqp.Channel) error) (err error) {
	if d.ch == nil || d.ch.IsClosed() {
		if d.ch, err = d.conn.Channel(); err != nil {
			return err
		}
	}
	return f(d.ch)
}

func (d *declarer) close() {
	if d.ch != nil {
		_ = d.ch.Close() // nothing hangs on it
	}
}

// count asks how many messages wait in a queue.
func (d *declarer) count(queue string) (count int, err error) {
	err = d.use(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		count = q.Messages
		return err
	})
	return count, err
}

func (d *declarer) declareQueue(name string, arguments amqp.Table) (count int, err error) {
	err = d.use(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclare(name, true, false, false, false, arguments)
		count = q.Messages
		return err
	})
	return count, err
}

func (d *declarer) exchange(name, kind string) error {
	err := d.use(func(ch *amqp.Channel) error { return ch.ExchangeDeclare(name, kind, true, false, false, false, nil) })
	if code(err) == preconditionFailed {
		return fmt.Errorf("exchange %q is of another kind, delete it: %w: %w", name, carillon.ErrUnsafe, err)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func partitionsTable(count int) amqp.Table {
	return amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(unlimited), "x-max-length": int32(count)}
}

// partitions keeps the number of a topic's partitions as that of messages in a queue which holds no more: whoever fills it up at the
// same time does no harm, and a client that does not know the number can ask for it.
func (d *declarer) partitions(ctx context.Context, t carillon.Topic) error {
	name := d.broker.names.topic(t.Name)
	count, err := d.declareQueue(name, partitionsTable(t.Partitions))
	if argument, current := refused(err); argument == "x-max-length" {
		return fmt.Errorf("it has %s partitions, not %d: %w", current, t.Partitions, carillon.ErrConflict)
	} else if argument != "" {
		return unsafe(name, argument, current)
	}
	if err != nil {
		return unavailable(err)
	}
	if count < t.Partitions {
		return d.fill(ctx, name, t.Partitions-count)
	}
	return nil
}

// queue makes the queue of a partition and has its messages routed there.
func (d *declarer) queue(t carillon.Topic, subscription string, partition int) error {
	name := d.broker.names.queue(t.Name, subscription, partition)
	arguments := amqp.Table{"x-queue-type": "quorum", "x-single-active-consumer": true, "x-delivery-limit": int32(unlimited)}
	if t.Limit > 0 {
		share := (t.Limit + int64(t.Partitions) - 1) / int64(t.Partitions)
		bound(arguments, min(share-1, math.MaxInt32)) // the server refuses once there are more than that
	}
	_, err := d.declareQueue(name, arguments)
	argument, current := refused(err)
	if argument == "x-max-length" { // it was declared with another limit, and keeps it
		delete(arguments, "x-max-length")
		delete(arguments, "x-overflow")
		if limit, parsing := strconv.ParseInt(current, 10, 64); parsing == nil {
			bound(arguments, limit)
		}
		_, err = d.declareQueue(name, arguments)
		argument, current = refused(err)
	}
	if argument != "" {
		return unsafe(name, argument, current)
	}
	if err != nil {
		return unavailable(err)
	}
	err = d.use(func(ch *amqp.Channel) error {
		return ch.QueueBind(name, strconv.Itoa(partition), d.broker.names.topic(t.Name), false, nil)
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func bound(arguments amqp.Table, limit int64) {
	arguments["x-max-length"], arguments["x-overflow"] = limit, "reject-publish"
}

func unsafe(queue, argument, current string) error {
	return fmt.Errorf("queue %q has %s %s, messages could be lost; move its messages elsewhere and delete it: %w",
		queue, argument, current, carillon.ErrUnsafe)
}

// refused reads which argument a queue has otherwise than it was declared, and its value, from the server's refusal.
func refused(err error) (argument, current string) {
	if code(err) != preconditionFailed {
		return "", ""
	}
	found := regexp.MustCompile(`inequivalent arg '([^']+)'.* but current is (?:the value )?'?([^' ]*)`).FindStringSubmatch(err.Error())
	if found == nil {
		return "declaration", err.Error()
	}
	return found[1], found[2]
}

// fill puts messages into the queue that tells a topic's partitions.
func (d *declarer) fill(ctx context.Context, queue string, count int) error {
	conn, err := d.broker.outgoing.get(ctx)
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return unavailable(err)
	}
	defer ch.Close()
	if err := ch.Confirm(false); err != nil {
		return unavailable(err)
	}
	confirms := make([]*amqp.DeferredConfirmation, count)
	for i := range confirms {
		if confirms[i], err = ch.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent}); err != nil {
			return unavailable(err)
		}
	}
	for _, confirm := range confirms {
		if confirmed, err := confirm.WaitContext(ctx); err != nil {
			return ended(ctx)
		} else if !confirmed {
			return fmt.Errorf("queue %q was not filled: %w", queue, carillon.ErrUnavailable)
		}
	}
	return nil
}
