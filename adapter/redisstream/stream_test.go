package redisstream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/redisstream"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestWritten reads what is published as any client would.
func TestWritten(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	broker := opened(t, redisstream.Server(serverURL(t), redisstream.Prefix(prefix)))
	traffic.Declare(t, broker, traffic.Topic(1))
	traffic.Publish(t, broker, []carillon.Message{{
		ID: "0190-1", Kind: carillon.KindCommand, Type: "order.place", Key: "100 %", Tenant: "Größe",
		Time: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC), ContentType: "text/plain", Payload: []byte("hello"),
	}})
	found, err := client(t, serverURL(t)).XRange(t.Context(), prefix+":{orders}:0", "-", "+").Result()
	if err != nil || len(found) != 1 {
		t.Fatalf("%v %v", found, err)
	}
	want := map[string]any{
		"attributes": "specversion:1.0\nid:0190-1\nsource:carillon\ntype:order.place\ntime:2026-11-21T09:30:00Z\n" +
			"datacontenttype:text/plain\nkind:command\npartitionkey:100 %25\ntenant:Größe\n",
		"data": "hello",
	}
	if diff := cmp.Diff(want, found[0].Values); diff != "" {
		t.Error(diff)
	}
}

// TestRead reads what other clients publish, CloudEvents or not.
func TestRead(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	broker, c := opened(t, redisstream.Server(serverURL(t), redisstream.Prefix(prefix))), client(t, serverURL(t))
	traffic.Declare(t, broker, traffic.Topic(1))
	var ids []string
	for _, values := range [][]string{
		{"specversion", "1.0", "id", "1", "source", "/x", "type", "a", "n", "5%", "data", "hello"},
		{"shop", "7", "data", "raw"},
		{"shop", "7"},
	} {
		id, err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: prefix + ":{orders}:0", Values: values}).Result()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	got := traffic.Receive(t, traffic.Join(t, broker, carillon.SubscribeOptions{}), 3)
	for i := range got {
		reason := got[i].Message.Headers["unreadable"]
		if (i > 0) != strings.Contains(reason, "specversion") {
			t.Errorf("message %d is unreadable because %q", i, reason)
		}
		delete(got[i].Message.Headers, "unreadable")
		if err := got[i].Message.CheckPublished(carillon.MaxPayload); err != nil {
			t.Error(err)
		}
	}
	unreadable := carillon.Message{
		ID: prefix + ":{orders}:0/" + ids[1], Kind: carillon.KindDocument, Type: "carillon.unreadable", SchemaVersion: 1,
		ContentType: "application/octet-stream", Headers: map[string]string{"shop": "7"}, Payload: []byte("raw"),
	}
	without := unreadable
	without.ID, without.ContentType = prefix+":{orders}:0/"+ids[2], "application/json"
	without.Headers, without.Payload = map[string]string{}, []byte(`{"shop":"7"}`)
	want := []carillon.Message{{
		ID: "1", Type: "a", SchemaVersion: 1, ContentType: "application/json",
		Headers: map[string]string{"source": "/x", "n": "5%"}, Payload: []byte("hello"),
	}, unreadable, without}
	for i := range want {
		if diff := cmp.Diff(want[i], got[i].Message); diff != "" {
			t.Errorf("message %d: %s", i, diff)
		}
	}
}

// TestTrimming has one subscription settle and another hold its first message: nothing goes that is held, and when it is settled all
// goes that both have settled.
func TestTrimming(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	broker, c := opened(t, redisstream.Server(serverURL(t), redisstream.Prefix(prefix))), client(t, serverURL(t))
	topic := traffic.Topic(1)
	topic.Subscriptions = append(topic.Subscriptions, "audit")
	topic.Retention = time.Millisecond // what is with nobody may go at once
	traffic.Declare(t, broker, topic)
	const count = 1000
	holding, err := broker.Subscribe(t.Context(), "orders", "audit", carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	consumer := traffic.Join(t, broker, carillon.SubscribeOptions{})
	traffic.Publish(t, broker, traffic.Numbered(0, 1))
	held := traffic.Receive(t, holding, 1)
	traffic.Publish(t, broker, traffic.Numbered(1, count-1))
	traffic.Settle(t, consumer, traffic.Receive(t, consumer, count))
	processes.AwaitFor(t, "the group shows how far it is", traffic.Patience, func() bool {
		groups, err := c.XInfoGroups(t.Context(), prefix+":{orders}:0").Result()
		if err != nil {
			t.Fatal(err)
		}
		return groups[1].Name == "billing" && groups[1].Lag == 0
	})
	if length := c.XLen(t.Context(), prefix+":{orders}:0").Val(); length != count {
		t.Errorf("%d entries are left of %d, and the first is held", length, count)
	}
	traffic.Settle(t, holding, held)
	traffic.Settle(t, holding, traffic.Receive(t, holding, count-1))
	processes.AwaitFor(t, "the stream is trimmed", traffic.Patience, func() bool { return c.XLen(t.Context(), prefix+":{orders}:0").Val() < count/2 })
	backlog, err := broker.Probe(t.Context(), "orders", "audit")
	if err != nil || backlog.Waiting+backlog.Unsettled != 0 {
		t.Errorf("%+v %v, want nothing", backlog, err)
	}
}

// TestRetention lets messages grow old that nobody has had: they go, and those that are left are counted.
func TestRetention(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	broker, c := opened(t, redisstream.Server(serverURL(t), redisstream.Prefix(prefix))), client(t, serverURL(t))
	topic := traffic.Topic(1)
	topic.Subscriptions = append(topic.Subscriptions, "audit")
	topic.Retention = time.Second
	traffic.Declare(t, broker, topic)
	consumer := traffic.Join(t, broker, carillon.SubscribeOptions{})
	traffic.Publish(t, broker, traffic.Numbered(0, 1000))
	traffic.Settle(t, consumer, traffic.Receive(t, consumer, 1000))
	processes.AwaitFor(t, "what is old is gone", traffic.Patience, func() bool { return c.XLen(t.Context(), prefix+":{orders}:0").Val() < 500 })
	left := c.XLen(t.Context(), prefix+":{orders}:0").Val()
	backlog, err := broker.Probe(t.Context(), "orders", "audit")
	if err != nil || backlog.Waiting != left {
		t.Errorf("%+v %v, want %d to wait", backlog, err, left)
	}
	traffic.Publish(t, broker, traffic.Numbered(1000, 1))
	late, err := broker.Subscribe(t.Context(), "orders", "audit", carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := traffic.Receive(t, late, int(left)+1)
	traffic.InOrder(t, got, 1000-int(left))
}
