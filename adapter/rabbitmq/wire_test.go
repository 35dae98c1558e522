package rabbitmq_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/traffic"
)

// channel is a client of the server that knows nothing of Carillon.
func channel(t testing.TB) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// TestWritten reads what is published as any AMQP client would.
func TestWritten(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	broker := traffic.Open(t, p)
	traffic.Declare(t, broker, traffic.Topic(1))
	m := carillon.Message{
		ID: "0190-1", Kind: carillon.KindCommand, Type: "order.place", Key: "order 1", Tenant: "Größe",
		Time: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC), ContentType: "text/plain", Payload: []byte("hello"),
	}
	traffic.Publish(t, broker, []carillon.Message{m})
	from, err := channel(t).Consume(p.queue("orders", "billing", 0), "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := <-from
	want := amqp.Table{
		"cloudEvents_specversion": "1.0", "cloudEvents_id": "0190-1", "cloudEvents_source": "carillon", "cloudEvents_type": "order.place",
		"cloudEvents_time": "2026-11-21T09:30:00Z", "cloudEvents_kind": "command", "cloudEvents_partitionkey": "order 1", "cloudEvents_tenant": "Größe",
	}
	if diff := cmp.Diff(want, got.Headers); diff != "" {
		t.Error(diff)
	}
	if got.ContentType != "text/plain" || string(got.Body) != "hello" || got.DeliveryMode != amqp.Persistent || got.MessageId != m.ID {
		t.Errorf("%+v", got)
	}
}

// TestRead reads what other AMQP clients publish, CloudEvents or not.
func TestRead(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	broker := traffic.Open(t, p)
	traffic.Declare(t, broker, traffic.Topic(1))
	ch := channel(t)
	for _, m := range []amqp.Publishing{
		{
			ContentType: "text/plain", Body: []byte("hello"),
			Headers: amqp.Table{
				"cloudEvents:specversion": "1.0", "cloudEvents:id": "1", "cloudEvents:source": "/x", "cloudEvents:type": "a",
				"cloudEvents:time": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "cloudEvents:n": int32(5),
			},
		},
		{Body: []byte("raw"), Headers: amqp.Table{"shop": "7"}},
		{
			ContentType: "application/cloudevents+json; charset=UTF-8",
			Body:        []byte(`{"specversion":"1.0","id":"2","source":"/x","type":"b","data":{"n":1}}`),
		},
	} {
		if err := ch.Publish(p.prefix+":orders", "0", true, false, m); err != nil {
			t.Fatal(err)
		}
	}
	s := traffic.Join(t, broker, carillon.SubscribeOptions{})
	got := traffic.Receive(t, s, 3)
	want := carillon.Message{
		ID: "1", Type: "a", SchemaVersion: 1, ContentType: "text/plain", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Headers: map[string]string{"source": "/x", "n": "5"}, Payload: []byte("hello"),
	}
	if diff := cmp.Diff(want, got[0].Message); diff != "" {
		t.Error(diff)
	}
	unreadable := got[1].Message
	if !strings.Contains(unreadable.Headers["unreadable"], "specversion") || unreadable.Headers["shop"] != "7" {
		t.Errorf("headers %v", unreadable.Headers)
	}
	if unreadable.Type != "carillon.unreadable" || unreadable.Kind != carillon.KindDocument || string(unreadable.Payload) != "raw" {
		t.Errorf("%+v", unreadable)
	}
	if err := unreadable.CheckPublished(carillon.MaxPayload); err != nil {
		t.Error(err)
	}
	if m := got[2].Message; m.ID != "2" || m.Type != "b" || m.ContentType != "application/json" || string(m.Payload) != `{"n":1}` {
		t.Errorf("a structured event became %+v", m)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := traffic.Receive(t, traffic.Join(t, broker, carillon.SubscribeOptions{}), 3)
	if again[1].Message.ID != unreadable.ID {
		t.Errorf("it came again as %q, first as %q", again[1].Message.ID, unreadable.ID)
	}
}

// TestUnsafeQueues finds queues under our names that may lose messages.
func TestUnsafeQueues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		arguments amqp.Table
	}{
		{"classic", nil},
		{"classic with a single active consumer", amqp.Table{"x-single-active-consumer": true}},
		{"dropping after a few deliveries", amqp.Table{"x-queue-type": "quorum", "x-single-active-consumer": true, "x-delivery-limit": 3}},
		{"dropping the oldest", amqp.Table{
			"x-queue-type": "quorum", "x-single-active-consumer": true, "x-delivery-limit": 1<<31 - 1, "x-max-length": 5, "x-overflow": "drop-head",
		}},
		{"expiring", amqp.Table{
			"x-queue-type": "quorum", "x-single-active-consumer": true, "x-delivery-limit": 1<<31 - 1, "x-message-ttl": 60_000,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			broker := traffic.Open(t, p)
			if _, err := channel(t).QueueDeclare(p.queue("orders", "billing", 0), true, false, false, false, test.arguments); err != nil {
				t.Fatal(err)
			}
			for _, limit := range []int64{0, 5, 9} {
				err := broker.Declare(t.Context(), carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1, Limit: limit})
				if !errors.Is(err, carillon.ErrUnsafe) {
					t.Errorf("limit %d: %v, want ErrUnsafe", limit, err)
				}
			}
		})
	}
}

// TestLimitStays declares a topic again with another limit, by another client that then publishes.
func TestLimitStays(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	traffic.Declare(t, traffic.Open(t, p), carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1, Limit: 3})
	broker := traffic.Open(t, p)
	for _, limit := range []int64{0, 3, 7} {
		traffic.Declare(t, broker, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1, Limit: limit})
	}
	err := traffic.Open(t, p).Publish(t.Context(), "orders", traffic.Numbered(0, 5))
	failed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok || !errors.Is(err, carillon.ErrTopicFull) {
		t.Fatalf("%v, want ErrTopicFull", err)
	}
	if diff := cmp.Diff([]int{3, 4}, failed.Unconfirmed); diff != "" {
		t.Error(diff)
	}
}
