package kafka_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/backends"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConformance runs the kit against a cluster in this process.
func TestConformance(t *testing.T) {
	seeds := cluster(t)
	conformance.Broker(t, func(testing.TB) carillon.BrokerOpener { return kafka.Brokers(seeds, kafka.Prefix(unique())) })
}

// TestConformanceServer runs the kit against a real broker.
func TestConformanceServer(t *testing.T) {
	server := backends.Variable(t, backends.Kafka)
	conformance.Broker(t, func(testing.TB) carillon.BrokerOpener { return kafka.URL("kafka://"+server, kafka.Prefix(unique())) })
}

// cluster starts a cluster of three brokers in this process.
func cluster(t testing.TB, options ...kfake.Opt) []string {
	t.Helper()
	options = append([]kfake.Opt{kfake.GroupMinSessionTimeout(500 * time.Millisecond)}, options...)
	made, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made.ListenAddrs()
}

// unique returns a prefix that nobody else has.
func unique() string { return "test-" + strings.ToLower(rand.Text()[:12]) + "-" }

// raw opens the client below until the test ends.
func raw(t testing.TB, seeds []string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// declare declares a topic of one partition.
func declare(t testing.TB, broker carillon.Broker, subscriptions ...string) {
	t.Helper()
	if err := broker.Declare(t.Context(), carillon.Topic{Name: "orders", Subscriptions: subscriptions, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
}

func subscribe(t testing.TB, broker carillon.Broker, options carillon.SubscribeOptions) carillon.Subscription {
	t.Helper()
	joined, err := broker.Subscribe(t.Context(), "orders", "billing", options)
	if err != nil {
		t.Fatal(err)
	}
	return joined
}

// numbered makes messages of one key, whose ids are their numbers.
func numbered(from, to int) []carillon.Message {
	messages := make([]carillon.Message, 0, to-from)
	for i := from; i < to; i++ {
		messages = append(messages, carillon.Message{ID: fmt.Sprint("m", i), Type: "order.placed", Key: "k", Payload: []byte("{}")})
	}
	return messages
}

func publish(t testing.TB, broker carillon.Broker, messages ...carillon.Message) {
	t.Helper()
	if err := broker.Publish(t.Context(), "orders", messages); err != nil {
		t.Fatal(err)
	}
}

// receive receives so many deliveries.
func receive(t testing.TB, from carillon.Subscription, count int) []carillon.Delivery {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var all []carillon.Delivery
	for len(all) < count {
		got, err := from.Receive(ctx, count-len(all))
		if err != nil {
			t.Fatalf("after %d of %d deliveries: %v", len(all), count, err)
		}
		all = append(all, got...)
	}
	return all
}

func ids(deliveries []carillon.Delivery) []string {
	all := make([]string, len(deliveries))
	for i := range deliveries {
		all[i] = deliveries[i].Message.ID
	}
	return all
}

// TestCapabilitiesPage holds what the broker says of itself against the page about brokers.
func TestCapabilitiesPage(t *testing.T) {
	broker, err := kafka.Brokers(cluster(t)).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", broker.Capabilities())
}
