package watermill_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/watermill"
)

// A Pub/Sub of watermill serves as a broker; app.Over takes it.
func ExamplePubSub() {
	pubSub := gochannel.NewGoChannel(gochannel.Config{}, nil)

	source := watermill.PubSub(
		func(context.Context) (message.Publisher, error) {
			return watermill.KeepPublisher(pubSub), nil
		},
		func(_ context.Context, topic, subscription string) (message.Subscriber, error) {
			return watermill.KeepSubscriber(pubSub), nil // one of the consumer group that subscription names, where there are any
		},
		watermill.Name("GoChannel"), watermill.Volatile())

	ctx := context.Background()
	broker, err := source.OpenBroker(ctx)
	if err != nil {
		log.Fatal(err)
	}
	can := broker.Capabilities()
	fmt.Printf("%s, confirmed %s, order %s\n", can.Broker, can.Confirm, can.Order)
	if err := broker.Declare(ctx, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}}); err != nil {
		log.Fatal(err)
	}
	placed := carillon.Message{ID: "1", Type: "order.placed", Key: "o-1", Payload: []byte(`{"ID":"o-1"}`)}
	if err := broker.Publish(ctx, "orders", []carillon.Message{placed}); err != nil {
		log.Fatal(err)
	}
	billing, err := broker.Subscribe(ctx, "orders", "billing", carillon.SubscribeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	deliveries, err := billing.Receive(ctx, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(deliveries[0].Message.Type, deliveries[0].Message.Key)
	if err := billing.Ack(ctx, deliveries); err != nil {
		log.Fatal(err)
	}
	if err := broker.Close(); err != nil {
		log.Fatal(err)
	}
	if err := pubSub.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// GoChannel, confirmed in memory, order none
	// order.placed o-1
}

// An application of watermill publishes and subscribes through a broker of Carillon.
func Example() {
	broker, err := memory.Volatile().OpenBroker(context.Background()) // or jetstream.Server(url), kafka.URL(url) …
	if err != nil {
		log.Fatal(err)
	}
	publisher := watermill.NewPublisher(broker)
	subscriber := watermill.NewSubscriber(broker, "billing")

	messages, err := subscriber.Subscribe(context.Background(), "orders")
	if err != nil {
		log.Fatal(err)
	}
	placed := message.NewMessage("1", []byte("o-1"))
	placed.Metadata.Set("name", "order.placed")
	placed.Metadata.Set(watermill.MetadataKey, "o-1") // what order is kept per
	if err := publisher.Publish("orders", placed); err != nil {
		log.Fatal(err)
	}

	first := <-messages
	first.Nack() // it comes again
	again := <-messages
	fmt.Println(again.UUID, again.Metadata.Get("name"), string(again.Payload))
	again.Ack()

	if err := subscriber.Close(); err != nil {
		log.Fatal(err)
	}
	if err := broker.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 order.placed o-1
}

// A service of Carillon that consumes what an application of watermill publishes says what its messages are.
func ExampleReading() {
	cqrs := func(topic string, m *message.Message) (carillon.Message, error) {
		plain, err := watermill.Plain(topic, m)
		plain.Kind, plain.Type = carillon.KindEvent, m.Metadata.Get("name")
		plain.Key, plain.ContentType = m.Metadata.Get("order"), carillon.ContentTypeJSON
		return plain, err
	}
	m := message.NewMessage("1", []byte(`{"ID":"o-1"}`))
	m.Metadata.Set("name", "order.placed")
	m.Metadata.Set("order", "o-1")
	event, err := cqrs("orders", m)
	if err != nil {
		log.Fatal(err)
	}
	_ = watermill.Reading(cqrs) // an option of PubSub; PublishAs is the one of NewPublisher
	fmt.Println(event.Kind, event.Type, event.Key)
	// Output:
	// event order.placed o-1
}
