package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// TestPublishMany publishes in batches and one by one, keeps the order of each key, and drops what comes again.
func TestPublishMany(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		n, keys int
		options []jetstream.Option
	}{
		{name: "a few", n: 5, keys: 2},
		{name: "a batch", n: 100, keys: 7},
		{name: "several batches", n: 1201, keys: 50},
		{name: "one key without flushing", n: 100, keys: 1, options: []jetstream.Option{jetstream.FlushedLater()}},
		{name: "many keys without flushing", n: 1500, keys: 300, options: []jetstream.Option{jetstream.FlushedLater()}},
	}
	url := startServer(t, nil).ClientURL()
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, url, append(test.options, jetstream.Prefix(fmt.Sprint("many", i)), jetstream.Timeout(30*time.Second))...)
			declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 4})
			messages := make([]carillon.Message, test.n)
			for n := range messages {
				messages[n] = message(fmt.Sprint("k", n%test.keys), n/test.keys)
			}
			publish(t, b, "orders", messages[:test.n/2]...)
			publish(t, b, "orders", messages...) // the first half is there
			publish(t, b, "orders", messages[:1]...)
			s := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{MaxUnsettled: 10_000})
			last := make(map[string]int)
			for _, d := range receive(t, s, test.n) {
				if want := fmt.Sprintf("%s-%d", d.Message.Key, last[d.Message.Key]); d.Message.ID != want {
					t.Fatalf("%s came in place of %s", d.Message.ID, want)
				}
				last[d.Message.Key]++
			}
			if more := try(t, s); len(more) > 0 {
				t.Errorf("%s came twice", more[0].Message.ID)
			}
		})
	}
}

// TestPublishFull fills a topic: as many as fit are taken, whatever way they are sent.
func TestPublishFull(t *testing.T) {
	t.Parallel()
	b := open(t, startServer(t, nil).ClientURL())
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Limit: 30})
	var messages []carillon.Message
	for n := range 40 {
		messages = append(messages, message(fmt.Sprint("k", n), 0))
	}
	err := b.Publish(t.Context(), "orders", messages)
	unconfirmed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok || !errors.Is(err, carillon.ErrTopicFull) || len(unconfirmed.Unconfirmed) != 10 {
		t.Fatalf("40 messages into a topic of 30: %v", err)
	}
	s := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})
	ack(t, s, receive(t, s, 30)...)
	var rest []carillon.Message
	for _, i := range unconfirmed.Unconfirmed {
		rest = append(rest, messages[i])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for b.Publish(ctx, "orders", rest) != nil {
		if ctx.Err() != nil {
			t.Fatal("the topic stays full")
		}
	}
	receive(t, s, 10)
}

// TestPublishTooLarge refuses a call before any of it is sent.
func TestPublishTooLarge(t *testing.T) {
	t.Parallel()
	b := open(t, startServer(t, nil).ClientURL())
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}})
	large := message("a", 1)
	large.Payload = make([]byte, b.Capabilities().MaxPayload+1)
	headers := message("a", 2)
	headers.Payload = large.Payload[1:]
	headers.Headers = map[string]string{"x-y": strings.Repeat(`"`, 64<<10)}
	for _, m := range []carillon.Message{large, headers} {
		err := b.Publish(t.Context(), "orders", []carillon.Message{message("a", 0), m})
		if !errors.Is(err, carillon.ErrTooLarge) {
			t.Errorf("%s: %v", m.ID, err)
		}
		unconfirmed, ok := errors.AsType[*carillon.PublishError](err)
		if !ok || !cmp.Equal(unconfirmed.Unconfirmed, []int{0, 1}) {
			t.Errorf("%s: %v", m.ID, err)
		}
	}
	s := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})
	if got := try(t, s); len(got) > 0 {
		t.Errorf("%s was published", got[0].Message.ID)
	}
}
