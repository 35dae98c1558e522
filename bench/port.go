package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// port is a carrier over a broker's port: Publish with a caller's messages, Receive, the handler, Ack.
type port struct {
	broker  carillon.Broker
	joined  carillon.Subscription
	handle  receiver
	stop    context.CancelFunc
	running sync.WaitGroup
	failure error // of the consumer, once running is over
}

// receiveAtOnce is how many messages the consumer takes at once.
const receiveAtOnce = 512

// openPort declares a topic with its default partitions and starts a consumer. Closing the carrier closes the broker, and calls after.
func openPort(ctx context.Context, broker carillon.Broker, handle receiver, after func() error) (_ carrier, err error) {
	topic := carillon.Topic{Name: "orders", Subscriptions: []string{"shipping"}}
	if err := broker.Declare(ctx, topic); err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	joined, err := broker.Subscribe(ctx, topic.Name, topic.Subscriptions[0], carillon.SubscribeOptions{})
	if err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	consuming, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &port{broker: broker, joined: joined, handle: handle, stop: stop}
	p.running.Go(func() { p.failure = p.consume(consuming) })
	return closing{p, after}, nil
}

// closing is a carrier with something to do after it is closed.
type closing struct {
	carrier

	after func() error
}

func (c closing) close() error {
	err := c.carrier.close()
	if c.after != nil {
		err = errors.Join(err, c.after())
	}
	return err
}

func (p *port) consume(ctx context.Context) error {
	for {
		deliveries, err := p.joined.Receive(ctx, receiveAtOnce)
		if err != nil {
			return unlessOver(ctx, err)
		}
		for i := range deliveries {
			if err := p.handle(deliveries[i].Message.Payload); err != nil {
				return err
			}
		}
		if err := p.joined.Ack(ctx, deliveries); err != nil {
			return unlessOver(ctx, err)
		}
	}
}

// unlessOver is nil when the context has ended.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *port) send(ctx context.Context, _ int, batch []parcel) error {
	return p.broker.Publish(ctx, "orders", messagesOf(batch))
}

// messagesOf makes messages as package messaging does.
func messagesOf(batch []parcel) []carillon.Message {
	now := time.Now().UTC().Truncate(time.Microsecond)
	messages := make([]carillon.Message, len(batch))
	for i := range batch {
		id := ids.New()
		messages[i] = carillon.Message{
			ID: id, CorrelationID: id, Type: orderPlaced, SchemaVersion: 1, ContentType: carillon.ContentTypeJSON,
			Key: batch[i].key, Time: now, Payload: batch[i].payload,
		}
	}
	return messages
}

func (p *port) close() error {
	p.stop()
	p.running.Wait()
	return errors.Join(p.failure, p.broker.Close())
}
