package cloudevents_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	natsadapter "github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/internal/backends"
)

func olderPrefix(name string) string {
	if rest, ok := strings.CutPrefix(name, "cloudEvents_"); ok {
		return "cloudEvents:" + rest
	}
	return name
}

// onKafka is a place in a cluster within this process.
func onKafka(t *testing.T) place {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.GroupMinSessionTimeout(500 * time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return place{
		opener: kafka.Brokers(cluster.ListenAddrs(), kafka.Prefix("")),
		read: func(ctx context.Context, t *testing.T, messages int) (all []event.Event) {
			t.Helper()
			for len(all) < messages && ctx.Err() == nil {
				client.PollFetches(ctx).EachRecord(func(record *kgo.Record) { all = append(all, ofRecord(ctx, t, record)) })
			}
			return all
		},
		write: func(ctx context.Context, t *testing.T, e *event.Event) {
			t.Helper()
			record := toRecord(ctx, t, e)
			record.Topic = "orders"
			if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// onNATS is a place in a server within this process.
func onNATS(t *testing.T) place {
	t.Helper()
	node, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	node.Start()
	t.Cleanup(func() {
		node.Shutdown()
		node.WaitForShutdown()
	})
	if !node.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	conn, err := nats.Connect(node.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return place{
		opener: natsadapter.Server(node.ClientURL()),
		read: func(ctx context.Context, t *testing.T, messages int) (all []event.Event) {
			t.Helper()
			stream, err := js.Stream(ctx, "carillon_orders")
			if err != nil {
				t.Fatal(err)
			}
			for i := range messages {
				stored, err := stream.GetMsg(ctx, uint64(i+1))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, ofNATS(ctx, t, stored.Header, stored.Data))
			}
			return all
		},
		write: func(ctx context.Context, t *testing.T, e *event.Event) {
			t.Helper()
			msg := toNATS(ctx, t, e)
			msg.Subject = "carillon.orders.0"
			if _, err := js.PublishMsg(ctx, msg); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// onRabbitMQ is a place in a real server, which reads and writes AMQP as its clients do.
func onRabbitMQ(t *testing.T) place {
	t.Helper()
	url := backends.Variable(t, backends.RabbitMQ)
	prefix := "sdk" + strings.ToLower(rand.Text()[:12])
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return place{
		opener: rabbitmq.Server(url, rabbitmq.Prefix(prefix)),
		read: func(ctx context.Context, t *testing.T, messages int) (all []event.Event) {
			t.Helper()
			deliveries, err := channel.ConsumeWithContext(ctx, prefix+":orders:billing:0", "", true, false, false, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			for len(all) < messages {
				d, ok := <-deliveries
				if !ok {
					t.Fatalf("%d of %d came", len(all), messages)
				}
				all = append(all, ofAMQP(ctx, t, &d))
			}
			return all
		},
		write: func(ctx context.Context, t *testing.T, e *event.Event) {
			t.Helper()
			if err := channel.PublishWithContext(ctx, prefix+":orders", "0", true, false, toAMQP(ctx, t, e)); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// TestBrokers exchanges messages through the places where the adapters keep them.
func TestBrokers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		open func(*testing.T) place
		// read undoes what the SDK leaves to its user, and binary is what it can write in binary mode.
		read   func(string) string
		binary string
		// precision is what the SDK's binary mode leaves of a time: a timestamp of AMQP 0.9.1 has seconds.
		precision time.Duration
	}{
		{"Kafka", onKafka, asIs, any8, time.Microsecond},
		{"NATS", onNATS, cloudevents.Unescape, plain + "ä€😀", time.Microsecond},
		{"AMQP", onRabbitMQ, asIs, any8, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name+" to the SDK", func(t *testing.T) {
			t.Parallel()
			sent := drawMessages()
			same(t, factsOfMessages(sent), factsOfEvents(t, test.open(t).toSDK(t, sent), test.read))
		})
		t.Run(test.name+" from the SDK, binary", func(t *testing.T) {
			t.Parallel()
			sent := drawEvents(t, test.binary)
			for i := range sent {
				sent[i].SetTime(sent[i].Time().Truncate(test.precision))
			}
			same(t, factsOfEvents(t, sent, asIs), factsOfMessages(test.open(t).fromSDK(t, sent, false)))
		})
		t.Run(test.name+" from the SDK, structured", func(t *testing.T) {
			t.Parallel()
			sent := drawEvents(t, any8)
			same(t, factsOfEvents(t, sent, asIs), factsOfMessages(test.open(t).fromSDK(t, sent, true)))
		})
	}
}
