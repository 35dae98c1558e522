package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

func TestMain(m *testing.M) {
	if configuration := os.Getenv(clusterNode); configuration != "" {
		os.Exit(serve(configuration))
	}
	goleak.VerifyTestMain(m)
}

// node is a server of a test.
type node struct {
	*server.Server
	options server.Options
}

// startServer runs a server that flushes every write, until the test ends.
func startServer(t testing.TB, change func(*server.Options)) *node {
	t.Helper()
	options := server.Options{
		ServerName: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
		NoSigs: true, NoLog: true,
	}
	if change != nil {
		change(&options)
	}
	n := &node{options: options}
	n.start(t)
	t.Cleanup(n.stop)
	return n
}

func (n *node) start(t testing.TB) {
	t.Helper()
	options := n.options
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	n.Server = s
}

func (n *node) stop() {
	n.Shutdown()
	n.WaitForShutdown()
}

func open(t testing.TB, url string, options ...jetstream.Option) carillon.Broker {
	t.Helper()
	b, err := jetstream.Server(url, options...).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil && !errors.Is(err, carillon.ErrUnavailable) {
			t.Error(err)
		}
	})
	return b
}

func declare(t testing.TB, b carillon.Broker, topics ...carillon.Topic) {
	t.Helper()
	if err := b.Declare(t.Context(), topics...); err != nil {
		t.Fatal(err)
	}
}

func subscribe(t testing.TB, b carillon.Broker, topic, name string, options carillon.SubscribeOptions) carillon.Subscription {
	t.Helper()
	s, err := b.Subscribe(t.Context(), topic, name, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func message(key string, n int) carillon.Message {
	return carillon.Message{ID: fmt.Sprintf("%s-%d", key, n), Type: "thing.happened", Key: key, Payload: fmt.Appendf(nil, "%d", n)}
}

func publish(t testing.TB, b carillon.Broker, topic string, messages ...carillon.Message) {
	t.Helper()
	if err := b.Publish(t.Context(), topic, messages); err != nil {
		t.Fatal(err)
	}
}

// receive waits for n deliveries.
func receive(t testing.TB, s carillon.Subscription, n int) []carillon.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []carillon.Delivery
	for len(all) < n {
		deliveries, err := s.Receive(ctx, n-len(all))
		if errors.Is(err, carillon.ErrUnavailable) {
			continue
		}
		if err != nil {
			t.Fatalf("after %d of %d deliveries: %v", len(all), n, err)
		}
		all = append(all, deliveries...)
	}
	return all
}

func ids(deliveries []carillon.Delivery) string {
	var all []string
	for _, d := range deliveries {
		all = append(all, d.Message.ID)
	}
	return strings.Join(all, " ")
}

func ack(t testing.TB, s carillon.Subscription, deliveries ...carillon.Delivery) {
	t.Helper()
	if err := s.Ack(t.Context(), deliveries); err != nil {
		t.Fatal(err)
	}
}
