package backends

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// broker is a server that keeps messages, through its own client.
type broker struct {
	variable, node string
	// make makes a place for messages.
	make func(ctx context.Context, t *testing.T, address, place string)
	// write puts the message there; it returns once the server has said that it is kept.
	write func(ctx context.Context, t *testing.T, address, place, message string)
	// read returns the first message of the place.
	read func(ctx context.Context, t *testing.T, address, place string) string
}

func brokers() map[string]broker {
	return map[string]broker{
		"NATS":     {NATS, NATSNode, makeNATS, writeNATS, readNATS},
		"Redis":    {Redis, RedisNode, makeRedis, writeRedis, readRedis},
		"RabbitMQ": {RabbitMQ, RabbitMQNode, makeRabbitMQ, writeRabbitMQ, readRabbitMQ},
		"Kafka":    {Kafka, KafkaNode, makeKafka, writeKafka, readKafka},
	}
}

func TestSharedBroker(t *testing.T) {
	t.Parallel()
	for name, broker := range brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := Variable(t, broker.variable)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			place := "test-" + strings.ToLower(rand.Text()[:16])
			broker.make(ctx, t, address, place)
			broker.write(ctx, t, address, place, "hello")
			if got := broker.read(ctx, t, address, place); got != "hello" {
				t.Fatalf("read %q, want what was written", got)
			}
		})
	}
}

// A server that is killed comes back at the same address with what it has confirmed. What it keeps messages in may need an orderly
// stop first: RabbitMQ writes down where a new quorum queue is only some hundred milliseconds after it has confirmed the declaration.
func TestNodeKeepsMessages(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starting brokers takes its time; left out by -short")
	}
	for name, broker := range brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := Start(t, broker.node)
			if shared := Variable(t, broker.variable); node.Address == shared {
				t.Fatalf("the node has the address of the server that all tests share, %s", shared)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			address, process := node.Address, node.Process(t)
			broker.make(ctx, t, address, "kept")
			node.Stop(t)
			node.Restart(t)
			broker.write(ctx, t, address, "kept", "hello")
			node.Kill(t)
			node.Restart(t)
			if node.Address != address || node.Process(t) == process {
				t.Fatalf("after a restart it is process %d at %s, before it was %d at %s", node.Process(t), node.Address, process, address)
			}
			if got := broker.read(ctx, t, address, "kept"); got != "hello" {
				t.Fatalf("read %q after a restart, want what was written", got)
			}
		})
	}
}

func stream(t *testing.T, address string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(address)
	must(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	must(t, err)
	return js
}

func makeNATS(ctx context.Context, t *testing.T, address, place string) {
	t.Helper()
	_, err := stream(t, address).CreateStream(ctx, jetstream.StreamConfig{Name: place, Subjects: []string{place}})
	must(t, err)
}

func writeNATS(ctx context.Context, t *testing.T, address, place, message string) {
	t.Helper()
	_, err := stream(t, address).Publish(ctx, place, []byte(message))
	must(t, err)
}

func readNATS(ctx context.Context, t *testing.T, address, place string) string {
	t.Helper()
	found, err := stream(t, address).Stream(ctx, place)
	must(t, err)
	message, err := found.GetMsg(ctx, 1)
	must(t, err)
	return string(message.Data)
}

func redisClient(t *testing.T, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	must(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// makeRedis does nothing: a stream is made by its first entry.
func makeRedis(context.Context, *testing.T, string, string) {}

func writeRedis(ctx context.Context, t *testing.T, address, place, message string) {
	t.Helper()
	must(t, redisClient(t, address).XAdd(ctx, &redis.XAddArgs{Stream: place, Values: []any{"body", message}}).Err())
}

func readRedis(ctx context.Context, t *testing.T, address, place string) string {
	t.Helper()
	entries, err := redisClient(t, address).XRange(ctx, place, "-", "+").Result()
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("%d entries, want 1", len(entries))
	}
	body, _ := entries[0].Values["body"].(string)
	return body
}

func channel(t *testing.T, address string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(address)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	must(t, err)
	return channel
}

func makeRabbitMQ(_ context.Context, t *testing.T, address, place string) {
	t.Helper()
	quorum := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	_, err := channel(t, address).QueueDeclare(place, true, false, false, false, quorum)
	must(t, err)
}

func writeRabbitMQ(ctx context.Context, t *testing.T, address, place, message string) {
	t.Helper()
	channel := channel(t, address)
	must(t, channel.Confirm(false))
	confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", place, true, false, amqp.Publishing{
		DeliveryMode: amqp.Persistent, Body: []byte(message),
	})
	must(t, err)
	confirmed, err := confirmation.WaitContext(ctx)
	must(t, err)
	if !confirmed {
		t.Fatal("the message was refused")
	}
}

// readRabbitMQ asks again while a quorum queue that is back has no leader yet, which the server calls an internal error.
func readRabbitMQ(ctx context.Context, t *testing.T, address, place string) string {
	t.Helper()
	for {
		deliveries, err := channel(t, address).ConsumeWithContext(ctx, place, "", false, false, false, false, nil)
		if refused := (*amqp.Error)(nil); errors.As(err, &refused) && refused.Code == amqp.InternalError && ctx.Err() == nil {
			continue
		}
		must(t, err)
		select {
		case delivery := <-deliveries:
			return string(delivery.Body)
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
}

func kafkaClient(t *testing.T, address string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(address))...)
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

func makeKafka(ctx context.Context, t *testing.T, address, place string) {
	t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = place, 1, 1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, kafkaClient(t, address))
	must(t, err)
	if code := response.Topics[0].ErrorCode; code != 0 {
		t.Fatalf("the topic was refused with code %d", code)
	}
}

func writeKafka(ctx context.Context, t *testing.T, address, place, message string) {
	t.Helper()
	must(t, kafkaClient(t, address).ProduceSync(ctx, &kgo.Record{Topic: place, Value: []byte(message)}).FirstErr())
}

func readKafka(ctx context.Context, t *testing.T, address, place string) string {
	t.Helper()
	client := kafkaClient(t, address, kgo.ConsumeTopics(place), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fetches := client.PollFetches(ctx)
	must(t, fetches.Err())
	records := fetches.Records()
	if len(records) != 1 {
		t.Fatalf("%d records, want 1", len(records))
	}
	return string(records[0].Value)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
