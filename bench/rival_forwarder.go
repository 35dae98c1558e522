package main

import (
	"context"
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	millnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// forwarded is how many messages wait for watermill's forwarder at most: more than it forwards in a run.
const forwarded = 12_000

// relayMill has watermill's forwarder pass on what waits in watermill-sql's table to watermill-nats, which is told not to ask for the
// stream first.
func (r *relaying) relayMill(ctx context.Context, duration time.Duration, d *pgDatabase, all int) (result, error) {
	all = min(all, forwarded)
	stored, subscriber, after, err := millSQL(ctx, d)
	if err != nil {
		return result{}, err
	}
	stream := fresh()
	got, err := r.forward(ctx, duration, stored, subscriber, stream, all)
	return got, errors.Join(err, stored.Close(), subscriber.Close(), after())
}

func (r *relaying) forward(
	ctx context.Context, duration time.Duration, stored message.Publisher, subscriber message.Subscriber, stream string, all int,
) (result, error) {
	if _, err := r.hand.js.CreateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{stream}, Storage: jetstream.FileStorage}); err != nil {
		return result{}, err
	}
	outbox := forwarder.NewPublisher(stored, forwarder.PublisherConfig{})
	err := eachParcel(all, func(batch []parcel) error {
		messages := make([]*message.Message, len(batch))
		for i := range batch {
			messages[i] = millMessage(&batch[i])
		}
		return outbox.Publish(stream, messages...)
	})
	if err != nil {
		return result{}, err
	}
	publisher, err := millnats.NewPublisher(millnats.PublisherConfig{
		URL: r.url, JetStream: millnats.JetStreamConfig{TrackMsgId: true},
	}, watermill.NopLogger{})
	if err != nil {
		return result{}, err
	}
	relay, err := forwarder.NewForwarder(subscriber, publisher, watermill.NopLogger{}, forwarder.Config{})
	if err != nil {
		return result{}, errors.Join(err, publisher.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	got, err := drained(ctx, duration, all, r.count(ctx, stream))
	return got, errors.Join(err, relay.Close(), <-ended, publisher.Close())
}
