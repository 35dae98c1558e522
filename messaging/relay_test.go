package messaging_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/messaging"
)

// sluggish is a broker that does not confirm what has a certain key, until it is told to.
type sluggish struct {
	carillon.Broker
	key      string
	released chan struct{}
	waiting  atomic.Int64
}

func (s *sluggish) OpenBroker(context.Context) (carillon.Broker, error) { return s, nil }

func (s *sluggish) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	if slices.ContainsFunc(messages, func(m carillon.Message) bool { return m.Key == s.key }) {
		s.waiting.Add(1)
		defer s.waiting.Add(-1)
		select {
		case <-s.released:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Broker.Publish(ctx, topic, messages)
}

// TestTheRelayWaitsInOneLane relays through a broker that does not confirm a key's messages: those of other keys go on, and the key's come
// in order once they are confirmed.
func TestTheRelayWaitsInOneLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		between := memory.Volatile()
		orders := ordersTopic()
		slow := &sluggish{Broker: between.Broker(), key: "slow", released: make(chan struct{})}
		sender := messaging.NewEngine(memory.Volatile(), messaging.Over(slow))
		must(t, sender.Publishes(orders))
		var handled book
		receiver := messaging.NewEngine(memory.Volatile(), messaging.Over(between))
		must(t, receiver.Add(messaging.Consume("shipping", orders, messaging.On(func(_ context.Context, _ *messaging.Tx, p placed) error {
			handled.note(p.Order, p.Number)
			return nil
		}))))
		stopReceiver, stopSender := run(t, receiver), run(t, sender)
		const each, keys = 300, 8
		var other []string
		for i := range keys {
			other = append(other, fmt.Sprint("order ", i))
		}
		must(t, sender.Publish(t.Context(), orders, placed{"slow", 0}))
		elapse(time.Second)
		for number := range each {
			for _, key := range other {
				must(t, sender.Publish(t.Context(), orders, placed{key, number}))
			}
			if number > 0 {
				must(t, sender.Publish(t.Context(), orders, placed{"slow", number}))
			}
		}
		elapse(time.Minute)
		if calls := slow.waiting.Load(); calls != 1 {
			t.Errorf("%d calls wait for the slow key", calls)
		}
		gone := 0
		for _, key := range other {
			if len(handled.of(key)) > 0 {
				gone++
			}
		}
		if gone == 0 || len(handled.of("slow")) > 0 {
			t.Errorf("while the slow key waits, %d of %d keys are handled, and %v of the slow one", gone, keys, handled.of("slow"))
		}
		close(slow.released)
		elapse(time.Minute)
		stopSender()
		stopReceiver()
		for _, key := range append(other, "slow") {
			if diff := cmp.Diff(upTo(each), handled.of(key)); diff != "" {
				t.Errorf("%s: %s", key, diff)
			}
		}
	})
}
