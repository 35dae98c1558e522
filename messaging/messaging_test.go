package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/messaging"
)

type (
	placed struct {
		Order  string
		Number int
	}
	shipped struct {
		Order  string
		Number int
	}
	unheardOf struct{}
)

func (p placed) Key() string  { return p.Order }
func (s shipped) Key() string { return s.Order }

func ordersTopic() *messaging.Topic {
	return messaging.NewTopic("orders", messaging.Event[placed]("order.placed"))
}

func shipmentsTopic() *messaging.Topic {
	return messaging.NewTopic("shipments", messaging.Event[shipped]("order.shipped"))
}

// run runs an engine until the test ends.
func run(t *testing.T, e *messaging.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the engine ended: %v", err)
		}
	}
}

// elapse lets the bubble's time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// must fails the test on any error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// book is what handlers have seen, by key, in order. A handler is called again when its transaction was undone, so a
// number that comes several times in a row counts once.
type book struct {
	mu   sync.Mutex
	seen map[string][]int
}

func (b *book) note(key string, number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = make(map[string][]int)
	}
	b.seen[key] = append(b.seen[key], number)
}

func (b *book) of(key string) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Compact(slices.Clone(b.seen[key]))
}

func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// TestAHandlersPublishingIsItsTransaction passes messages from one service's topic to another through a handler that keeps a state: each
// changes the state once and is answered once, in order, however often it was published.
func TestAHandlersPublishingIsItsTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		orders, shipments := ordersTopic(), shipmentsTopic()
		e := messaging.NewEngine(memory.Volatile())
		var arrived book
		must(t, e.Publishes(orders), e.Publishes(shipments),
			e.Add(messaging.Consume("shipping", orders, messaging.On(func(_ context.Context, tx *messaging.Tx, p placed) error {
				count, _, err := messaging.Load[int](tx, p.Order)
				if err != nil {
					return err
				}
				return errors.Join(messaging.Save(tx, p.Order, count+1), tx.Publish(shipments, shipped{p.Order, count}))
			}))),
			e.Add(messaging.Consume("notifying", shipments, messaging.On(func(_ context.Context, _ *messaging.Tx, s shipped) error {
				arrived.note(s.Order, s.Number)
				return nil
			}))))
		stop := run(t, e)
		for number := range 20 {
			for key := range 10 {
				p := placed{fmt.Sprint("order ", key), number}
				for range 2 { // the second time it is the same message
					must(t, e.Publish(t.Context(), orders, p, messaging.WithID(fmt.Sprint(p))))
				}
			}
		}
		elapse(time.Minute)
		stop()
		for key := range 10 {
			if diff := cmp.Diff(upTo(20), arrived.of(fmt.Sprint("order ", key))); diff != "" {
				t.Errorf("order %d: %s", key, diff)
			}
		}
	})
}

// TestAFailingMessageStopsItsKey has a message fail until it is mended: it and those behind it are parked, the other keys go on, and
// another try handles them in order.
func TestAFailingMessageStopsItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, orders := memory.Volatile(), ordersTopic()
		e := messaging.NewEngine(store)
		var mended atomic.Bool
		var handled book
		must(t, e.Publishes(orders), e.Add(messaging.Consume("shipping", orders,
			messaging.On(func(_ context.Context, _ *messaging.Tx, p placed) error {
				if p.Order == "bad" && p.Number == 3 && !mended.Load() {
					return errors.New("no such warehouse")
				}
				handled.note(p.Order, p.Number)
				return nil
			}),
			messaging.Retry(consume.Retry{Attempts: 3}))))
		stop := run(t, e)
		publish := func(from, to int) {
			for number := from; number < to; number++ {
				must(t, e.Publish(t.Context(), orders, placed{"bad", number}), e.Publish(t.Context(), orders, placed{"good", number}))
			}
		}
		publish(0, 10)
		elapse(time.Minute)
		publish(10, 12) // arrives when the key is parked
		elapse(time.Minute)

		if diff := cmp.Diff(upTo(12), handled.of("good")); diff != "" {
			t.Errorf("the other key: %s", diff)
		}
		if got := handled.of("bad"); len(got) < 3 || slices.Max(got) != 2 {
			t.Errorf("the failing key has handled %v, it is to stop behind 2", got)
		}
		letters, err := store.DeadLetters().Letters(t.Context(), "shipping", "bad", 0, 100)
		must(t, err)
		if len(letters) != 9 || letters[0].Attempts != 3 || letters[0].Cause != "no such warehouse" || letters[1].Attempts != 0 {
			t.Fatalf("%d letters, the first %+v", len(letters), letters[0])
		}

		mended.Store(true)
		must(t, store.DeadLetters().Retry(t.Context(), "shipping", "bad"))
		publish(12, 14)
		elapse(time.Minute)
		publish(14, 16) // the key is free again
		elapse(time.Minute)
		stop()
		got := handled.of("bad")
		if len(got) < 16 || !slices.IsSorted(got) || got[len(got)-1] != 15 {
			t.Errorf("the key has handled %v after it was mended", got)
		}
		if keys, err := store.DeadLetters().Keys(t.Context(), "shipping"); err != nil || len(keys) != 0 {
			t.Errorf("parked keys %v, error %v", keys, err)
		}
	})
}

// TestUnreadableMessagesAreParked sends what cannot be decoded and what nobody knows, between messages that are sound.
func TestUnreadableMessagesAreParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, orders := memory.Volatile(), ordersTopic()
		e := messaging.NewEngine(store)
		var handled book
		must(t, e.Publishes(orders), e.Add(messaging.Consume("shipping", orders, messaging.On(
			func(_ context.Context, _ *messaging.Tx, p placed) error {
				handled.note(p.Order, p.Number)
				return nil
			}))))
		stop := run(t, e)
		must(t, e.Publish(t.Context(), orders, placed{"a", 0}))
		must(t, store.Broker().Publish(t.Context(), "orders", []carillon.Message{
			{ID: "1", Type: "order.placed", Key: "x", Payload: []byte(`{"Order":`)},
			{ID: "2", Type: "order.lost", Payload: []byte(`{}`)},
		}))
		must(t, e.Publish(t.Context(), orders, placed{"a", 1}))
		elapse(time.Minute)
		stop()
		if diff := cmp.Diff(upTo(2), handled.of("a")); diff != "" {
			t.Error(diff)
		}
		keys, err := store.DeadLetters().Keys(t.Context(), "shipping")
		must(t, err)
		var names []string
		for _, key := range keys {
			names = append(names, key.Key)
		}
		if diff := cmp.Diff([]string{"message 2", "x"}, names); diff != "" {
			t.Errorf("parked keys: %s", diff)
		}
	})
}

// TestDiscardedLettersFreeTheirKey discards what is parked: the key's later messages are handled again.
func TestDiscardedLettersFreeTheirKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, orders := memory.Volatile(), ordersTopic()
		e := messaging.NewEngine(store)
		var handled book
		must(t, e.Publishes(orders), e.Add(messaging.Consume("shipping", orders, messaging.On(
			func(_ context.Context, _ *messaging.Tx, p placed) error {
				if p.Number == 0 {
					return consume.Permanent(errors.New("never"))
				}
				handled.note(p.Order, p.Number)
				return nil
			}))))
		stop := run(t, e)
		must(t, e.Publish(t.Context(), orders, placed{"a", 0}))
		elapse(time.Minute)
		letters, err := store.DeadLetters().Letters(t.Context(), "shipping", "a", 0, 10)
		must(t, err)
		must(t, store.DeadLetters().Discard(t.Context(), "shipping", "a", letters[0].Position))
		elapse(time.Minute)
		must(t, e.Publish(t.Context(), orders, placed{"a", 1}))
		elapse(time.Minute)
		stop()
		if diff := cmp.Diff([]int{1}, handled.of("a")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestCommandsAreSentOnce answers messages with commands: a message that comes again sends the same command id, and a rejected one is
// parked.
func TestCommandsAreSentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type ship struct{ Order string }
		var mu sync.Mutex
		ids := make(map[string][]string)
		contract, err := cqrs.NewContract(cqrs.Command("order.ship", func(_ context.Context, m *carillon.Message, c ship) (carillon.Appended, error) {
			mu.Lock()
			defer mu.Unlock()
			ids[c.Order] = append(ids[c.Order], m.ID)
			if c.Order == "banned" {
				return carillon.Appended{}, carillon.Rejectf("banned")
			}
			return carillon.Appended{}, nil
		}))
		must(t, err)
		store, orders := memory.Volatile(), ordersTopic()
		e := messaging.NewEngine(store)
		e.DispatchTo(cqrs.NewBus(contract))
		must(t, e.Publishes(orders), e.Add(messaging.Consume("shipping", orders, messaging.Send(func(p placed) any { return ship{p.Order} }))))
		stop := run(t, e)
		for range 2 {
			must(t, e.Publish(t.Context(), orders, placed{"fine", 0}, messaging.WithID("m1")))
		}
		must(t, e.Publish(t.Context(), orders, placed{"banned", 0}))
		elapse(time.Minute)
		stop()
		if got := ids["fine"]; len(got) != 2 || got[0] != got[1] || got[0] == "m1" {
			t.Errorf("the same message sent commands %v", got)
		}
		letters, err := store.DeadLetters().Letters(t.Context(), "shipping", "banned", 0, 10)
		if err != nil || len(letters) != 1 || letters[0].Cause != "banned" || len(ids["banned"]) != 1 {
			t.Errorf("letters %+v after %d commands, error %v", letters, len(ids["banned"]), err)
		}
	})
}

// unreliable is a broker that confirms only some of what it publishes, and now and then is away.
type unreliable struct {
	carillon.Broker
	openings, calls atomic.Int64
}

// OpenBroker cannot reach the broker at first.
func (u *unreliable) OpenBroker(context.Context) (carillon.Broker, error) {
	if u.openings.Add(1) < 5 {
		return nil, carillon.ErrUnavailable
	}
	return u, nil
}

func (u *unreliable) Capabilities() carillon.Capabilities {
	can := u.Broker.Capabilities()
	can.OrderedPublish = false
	return can
}

func (u *unreliable) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	call := u.calls.Add(1)
	if call%3 == 0 {
		return fmt.Errorf("cut off: %w", carillon.ErrUnavailable)
	}
	var sound []carillon.Message
	failed := &carillon.PublishError{Cause: carillon.ErrUnavailable}
	for i := range messages {
		if (int64(i)+call)%4 == 0 {
			failed.Unconfirmed = append(failed.Unconfirmed, i)
			if i%2 == 0 { // it arrived all the same
				sound = append(sound, messages[i])
			}
			continue
		}
		sound = append(sound, messages[i])
	}
	if err := u.Broker.Publish(ctx, topic, sound); err != nil || len(failed.Unconfirmed) == 0 {
		return err
	}
	return failed
}

// TestTheRelayLosesNothing relays through a broker that loses confirmations and messages: every message is handled once, in order.
func TestTheRelayLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		between := memory.Volatile()
		orders := ordersTopic()
		sender := messaging.NewEngine(memory.Volatile(), messaging.Over(&unreliable{Broker: between.Broker()}))
		must(t, sender.Publishes(orders))
		var handled book
		receiver := messaging.NewEngine(memory.Volatile(), messaging.Over(between))
		must(t, receiver.Add(messaging.Consume("shipping", orders, messaging.On(func(_ context.Context, _ *messaging.Tx, p placed) error {
			handled.note(p.Order, p.Number)
			return nil
		}))))
		stopReceiver, stopSender := run(t, receiver), run(t, sender)
		for number := range 100 {
			for key := range 5 {
				must(t, sender.Publish(t.Context(), orders, placed{fmt.Sprint("order ", key), number}))
			}
		}
		elapse(time.Hour)
		stopSender()
		stopReceiver()
		for key := range 5 {
			if diff := cmp.Diff(upTo(100), handled.of(fmt.Sprint("order ", key))); diff != "" {
				t.Errorf("order %d: %s", key, diff)
			}
		}
	})
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	orders := ordersTopic()
	handle := messaging.On(func(context.Context, *messaging.Tx, placed) error { return nil })
	tests := []struct {
		name string
		add  func(e *messaging.Engine) error
	}{
		{"a topic of no name", func(e *messaging.Engine) error { return e.Publishes(messaging.NewTopic("")) }},
		{"a type twice", func(e *messaging.Engine) error {
			return e.Publishes(messaging.NewTopic("a", messaging.Event[placed]("x"), messaging.Event[placed]("y")))
		}},
		{"two definitions of a topic", func(e *messaging.Engine) error {
			return errors.Join(e.Publishes(orders), e.Publishes(ordersTopic()))
		}},
		{"no handlers", func(e *messaging.Engine) error { return e.Add(messaging.Consume("a", orders)) }},
		{"a handler twice", func(e *messaging.Engine) error { return e.Add(messaging.Consume("a", orders, handle, handle)) }},
		{"a type the topic does not carry", func(e *messaging.Engine) error {
			return e.Add(messaging.Consume("a", orders, messaging.On(func(context.Context, *messaging.Tx, unheardOf) error { return nil })))
		}},
		{"a consumer twice", func(e *messaging.Engine) error {
			return errors.Join(e.Add(messaging.Consume("a", orders, handle)), e.Add(messaging.Consume("a", orders, handle)))
		}},
		{"a name no broker takes", func(e *messaging.Engine) error { return e.Add(messaging.Consume("A b", orders, handle)) }},
		{"no deadline", func(e *messaging.Engine) error {
			return e.Add(messaging.Consume("a", orders, handle, messaging.AckDeadline(0)))
		}},
		{"commands without a bus", func(e *messaging.Engine) error {
			return e.Add(messaging.Consume("a", orders, messaging.Send(func(placed) any { return nil })))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := test.add(messaging.NewEngine(memory.Volatile())); !errors.Is(err, carillon.ErrInvalid) {
				t.Errorf("error %v, want ErrInvalid", err)
			}
		})
	}
}
