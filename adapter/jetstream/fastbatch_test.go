package jetstream_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// keyed returns the nth message of so many keys.
func keyed(keys, n int) []carillon.Message {
	messages := make([]carillon.Message, keys)
	for i := range messages {
		messages[i] = message(fmt.Sprint("k", i), n)
	}
	return messages
}

// listen counts what the server answers to fast batches of a connection that it makes.
func listen(t *testing.T, url string) (answers func() int) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	seen, err := conn.SubscribeSync("_INBOX.>")
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() (count int) {
		for {
			msg, err := seen.NextMsg(100 * time.Millisecond)
			if err != nil {
				return count
			}
			if strings.HasSuffix(msg.Subject, ".$FI") {
				count++
			}
		}
	}
}

// change changes the stream of a topic behind the broker's back.
func change(t *testing.T, url string, edit func(*natsjs.StreamConfig)) natsjs.StreamConfig {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := natsjs.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "carillon_orders")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	edit(&config)
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestFastBatches publishes in batches that are confirmed together where the stream takes them, and each message by itself where it does
// not. Declaring the topic again makes the stream take them.
func TestFastBatches(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	b := open(t, url, jetstream.FlushedLater())
	orders := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}}
	declare(t, b, orders)
	answers := listen(t, url)
	publish(t, b, "orders", keyed(200, 0)...)
	if n := answers(); n == 0 || n > 20 {
		t.Errorf("the server answered %d times to 200 messages", n)
	}
	change(t, url, func(c *natsjs.StreamConfig) { c.AllowBatchPublish = false })
	publish(t, b, "orders", keyed(200, 1)...)
	if got := len(receive(t, subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{MaxUnsettled: 1000}), 400)); got != 400 {
		t.Errorf("%d messages came", got)
	}
	declare(t, open(t, url), orders)
	if config := change(t, url, func(*natsjs.StreamConfig) {}); !config.AllowBatchPublish {
		t.Error("the stream takes no fast batches")
	}
}

// TestFastBatchInFull publishes more than a topic takes: what was taken is confirmed, and nothing behind it.
func TestFastBatchInFull(t *testing.T) {
	t.Parallel()
	b := open(t, startServer(t, nil).ClientURL(), jetstream.FlushedLater())
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Limit: 30})
	err := b.Publish(t.Context(), "orders", keyed(40, 0))
	unconfirmed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok || !errors.Is(err, carillon.ErrTopicFull) || !slices.Equal(unconfirmed.Unconfirmed, []int{30, 31, 32, 33, 34, 35, 36, 37, 38, 39}) {
		t.Fatalf("40 messages into a topic of 30: %v", err)
	}
	err = b.Publish(t.Context(), "orders", keyed(40, 1))
	if unconfirmed, ok := errors.AsType[*carillon.PublishError](err); !ok || !errors.Is(err, carillon.ErrTopicFull) || len(unconfirmed.Unconfirmed) != 40 {
		t.Fatalf("40 messages into a topic that is full: %v", err)
	}
}

// TestFastBatchesCut breaks the connection while batches are under way: a caller learns of it at once, and loses nothing and no order by
// publishing again what was not confirmed.
func TestFastBatchesCut(t *testing.T) {
	t.Parallel()
	p, url := newProxy(t, startServer(t, nil).ClientURL())
	b := open(t, url, jetstream.FlushedLater())
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}})
	const keys, each = 40, 40
	var breaking sync.WaitGroup
	for n := range each {
		left := keyed(keys, n)
		if n%4 == 3 {
			breaking.Go(p.Break)
		}
		persist(t.Context(), t, func() error {
			err := b.Publish(t.Context(), "orders", left)
			if failed, ok := errors.AsType[*carillon.PublishError](err); ok {
				var again []carillon.Message
				for _, i := range failed.Unconfirmed {
					again = append(again, left[i])
				}
				left = again
			}
			return err
		})
	}
	breaking.Wait()
	next := make(map[string]int)
	for _, d := range receive(t, subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{MaxUnsettled: 10_000}), keys*each) {
		if want := message(d.Message.Key, next[d.Message.Key]).ID; d.Message.ID != want {
			t.Fatalf("%s came in place of %s", d.Message.ID, want)
		}
		next[d.Message.Key]++
	}
}

// TestFastBatchOfNobody publishes to a topic that is gone.
func TestFastBatchOfNobody(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	b := open(t, url, jetstream.FlushedLater())
	declare(t, b, carillon.Topic{Name: "orders"})
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := natsjs.New(conn)
	if err == nil {
		err = js.DeleteStream(t.Context(), "carillon_orders")
	}
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := b.Publish(t.Context(), "orders", keyed(10, 0)); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
