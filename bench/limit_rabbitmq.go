package main

import (
	"context"
	"errors"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// handRabbitMQ is RabbitMQ by hand: quorum queues with a single active consumer, one for each part of the keys; a channel with confirms
// for each caller, and acknowledgements of several where nothing before them is open.
type handRabbitMQ struct {
	outgoing, incoming *amqp.Connection
	exchange           string
	channels           []*amqp.Channel // of the callers
	running            sync.WaitGroup
}

// ackAtOnce is how many deliveries of a queue are acknowledged together while more of them wait.
const ackAtOnce = 64

func openHandRabbitMQ(url, name string, callers int, handle receiver) (_ *handRabbitMQ, err error) {
	h := &handRabbitMQ{exchange: name}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.outgoing, err = amqp.Dial(url); err != nil {
		return h, err
	}
	if h.incoming, err = amqp.Dial(url); err != nil {
		return h, err
	}
	if err := h.declare(handle); err != nil {
		return h, err
	}
	for range callers {
		channel, err := h.outgoing.Channel()
		if err == nil {
			err = channel.Confirm(false)
		}
		if err != nil {
			return h, err
		}
		h.channels = append(h.channels, channel)
	}
	return h, nil
}

// declare makes the queues and consumes from them.
func (h *handRabbitMQ) declare(handle receiver) error {
	for part := range carillon.DefaultPartitions {
		channel, err := h.incoming.Channel()
		if err != nil {
			return err
		}
		key := strconv.Itoa(part)
		queue := h.exchange + "." + key
		if err := channel.ExchangeDeclare(h.exchange, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return err
		}
		if _, err := channel.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum", "x-single-active-consumer": true}); err != nil {
			return err
		}
		if err := channel.QueueBind(queue, key, h.exchange, false, nil); err != nil {
			return err
		}
		if err := channel.Qos(1024, 0, false); err != nil {
			return err
		}
		deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		h.running.Go(func() { consumeRabbitMQ(deliveries, handle) })
	}
	return nil
}

func consumeRabbitMQ(deliveries <-chan amqp.Delivery, handle receiver) {
	open := 0
	for delivery := range deliveries {
		if handle(delivery.Body) != nil {
			return // it is missed
		}
		if open++; open == ackAtOnce || len(deliveries) == 0 {
			if delivery.Ack(true) != nil {
				return
			}
			open = 0
		}
	}
}

func (h *handRabbitMQ) send(ctx context.Context, caller int, batch []parcel) error {
	channel := h.channels[caller]
	confirms := make([]*amqp.DeferredConfirmation, len(batch))
	var err error
	for i := range batch {
		key := strconv.Itoa(carillon.Partition(batch[i].key, carillon.DefaultPartitions))
		confirms[i], err = channel.PublishWithDeferredConfirmWithContext(ctx, h.exchange, key, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, MessageId: ids.New(), Type: orderPlaced, ContentType: carillon.ContentTypeJSON, Body: batch[i].payload,
		})
		if err != nil {
			return err
		}
	}
	for _, confirm := range confirms {
		if confirmed, err := confirm.WaitContext(ctx); err != nil {
			return err
		} else if !confirmed {
			return errors.New("RabbitMQ refused a message")
		}
	}
	return nil
}

func (h *handRabbitMQ) close() error {
	var err error
	for _, conn := range []*amqp.Connection{h.outgoing, h.incoming} {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	h.running.Wait()
	return err
}
