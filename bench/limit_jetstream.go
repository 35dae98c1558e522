package main

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon/internal/ids"
)

// handJetStream is JetStream by hand: asynchronous publishing with an id for deduplication and the type as a header; a pull consumer
// that acknowledges each message after its handler.
type handJetStream struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	subject  string
	consumed jetstream.ConsumeContext
}

// natsPending is how many messages a client has outstanding at most, and headerType the header of a type by hand.
const (
	natsPending = 1024
	headerType  = "type"
)

func openHandJetStream(ctx context.Context, url, name string, handle receiver) (_ *handJetStream, err error) {
	h, err := dialJetStream(url, name)
	if err != nil {
		return nil, err
	}
	stream, err := h.js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{h.subject}, Storage: jetstream.FileStorage})
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	if handle == nil {
		return h, nil
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "shipping", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: natsPending,
	})
	if err == nil {
		h.consumed, err = consumer.Consume(func(msg jetstream.Msg) {
			if handle(msg.Data()) == nil { // else it is missed
				_ = msg.Ack() // when it is lost the message comes again
			}
		}, jetstream.PullMaxMessages(natsPending))
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// dialJetStream connects a client that publishes to a stream's only subject.
func dialJetStream(url, name string) (*handJetStream, error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(natsPending))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &handJetStream{conn: conn, js: js, subject: name + ".orders"}, nil
}

func (h *handJetStream) send(ctx context.Context, _ int, batch []parcel) error {
	if len(batch) == 1 { // the shortest way
		_, err := h.js.PublishMsg(ctx, h.message(&batch[0]))
		return err
	}
	return h.publish(ctx, len(batch), func(i int) *nats.Msg { return h.message(&batch[i]) })
}

// publish publishes messages without waiting for one another, and waits for all.
func (h *handJetStream) publish(ctx context.Context, count int, message func(i int) *nats.Msg) error {
	acks := make([]jetstream.PubAckFuture, count)
	var err error
	for i := range acks {
		if acks[i], err = h.js.PublishMsgAsync(message(i)); err != nil {
			return err
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (h *handJetStream) message(p *parcel) *nats.Msg {
	return &nats.Msg{
		Subject: h.subject, Data: p.payload,
		Header: nats.Header{nats.MsgIdHdr: []string{ids.New()}, headerType: []string{orderPlaced}},
	}
}

func (h *handJetStream) close() error {
	if h.consumed != nil {
		h.consumed.Stop()
		<-h.consumed.Closed()
	}
	h.conn.Close()
	return nil
}
