package main

import (
	"context"
	"errors"
	"sync"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/carillon-go/carillon/internal/ids"
)

// mill is a carrier over a pair of watermill's publisher and subscriber: Publish with a caller's messages; a Router whose handler is
// the receiver.
type mill struct {
	topic      string
	publisher  message.Publisher
	subscriber message.Subscriber
	router     *message.Router
	running    sync.WaitGroup
	failure    error
}

// metadataKey is where a message's key stands in its metadata.
const metadataKey = "key"

// openMill starts a router and returns once its handler runs. Closing the carrier calls after.
func openMill(
	ctx context.Context, topic string, publisher message.Publisher, subscriber message.Subscriber, handle receiver, after func() error,
) (carrier, error) {
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	router.AddConsumerHandler("shipping", topic, subscriber, func(m *message.Message) error { return handle(m.Payload) })
	m := &mill{topic: topic, publisher: publisher, subscriber: subscriber, router: router}
	ended := make(chan struct{})
	m.running.Go(func() {
		defer close(ended)
		m.failure = router.Run(context.WithoutCancel(ctx))
	})
	select {
	case <-router.Running():
		return closing{m, after}, nil
	case <-ended:
		return nil, errors.Join(m.failure, errors.New("the router did not run"))
	}
}

func (m *mill) send(_ context.Context, _ int, batch []parcel) error {
	messages := make([]*message.Message, len(batch))
	for i := range batch {
		messages[i] = millMessage(&batch[i])
	}
	return m.publisher.Publish(m.topic, messages...)
}

func millMessage(p *parcel) *message.Message {
	m := message.NewMessage(ids.New(), p.payload)
	m.Metadata = message.Metadata{headerType: orderPlaced, metadataKey: p.key}
	return m
}

func (m *mill) close() error {
	err := m.router.Close()
	m.running.Wait()
	return errors.Join(err, m.failure, m.publisher.Close(), m.subscriber.Close())
}
