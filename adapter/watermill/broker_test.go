package watermill_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/watermill"
	"github.com/carillon-go/carillon/internal/traffic"
)

// declared declares the topic "orders" with the subscription "billing".
func declared(t *testing.T, broker carillon.Broker) carillon.Broker {
	t.Helper()
	if err := broker.Declare(t.Context(), carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}}); err != nil {
		t.Fatal(err)
	}
	return broker
}

func published(t *testing.T, broker carillon.Broker, messages []carillon.Message) {
	t.Helper()
	if err := broker.Publish(t.Context(), "orders", messages); err != nil {
		t.Fatal(err)
	}
}

// received receives one delivery, which must be of an id.
func received(t *testing.T, from carillon.Subscription, id string) carillon.Delivery {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	got, err := from.Receive(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Message.ID != id {
		t.Fatalf("received %q, want %q", got[0].Message.ID, id)
	}
	return got[0]
}

func settled(t *testing.T, from carillon.Subscription, deliveries ...carillon.Delivery) {
	t.Helper()
	if err := from.Ack(t.Context(), deliveries); err != nil {
		t.Fatal(err)
	}
}

// A message is acknowledged to watermill when it was settled, and not before: what a consumer leaves comes to the next.
func TestAcknowledgedOnceSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		place := newGroups(1)
		broker := declared(t, traffic.Open(t, place.source(watermill.InOrder())))
		published(t, broker, traffic.Numbered(1, 3))
		leaving := traffic.Join(t, broker, carillon.SubscribeOptions{})
		settled(t, leaving, received(t, leaving, "1"))
		held := received(t, leaving, "2")
		synctest.Wait()
		if diff := cmp.Diff([]string{"1"}, place.settled("orders", "billing")); diff != "" {
			t.Fatalf("acknowledged with one settled (-want +got):\n%s", diff)
		}
		if err := leaving.Close(); err != nil {
			t.Fatal(err)
		}
		if err := leaving.Ack(t.Context(), []carillon.Delivery{held}); !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("settling after leaving gives error %v, want ErrClosed", err)
		}
		staying := traffic.Join(t, broker, carillon.SubscribeOptions{})
		settled(t, staying, received(t, staying, "2"))
		settled(t, staying, received(t, staying, "3"))
		if err := staying.Ack(t.Context(), []carillon.Delivery{held}); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("settling another consumer's delivery gives error %v, want ErrInvalid", err)
		}
		<-time.After(time.Second) // the time of the bubble
		if diff := cmp.Diff([]string{"1", "2", "3"}, place.settled("orders", "billing")); diff != "" {
			t.Errorf("acknowledged (-want +got):\n%s", diff)
		}
	})
}

// Leaving waits until watermill has seen what was acknowledged: else it may take it for not acknowledged.
func TestLeavingLosesNoAcknowledgement(t *testing.T) {
	t.Parallel()
	place := newGroups(1)
	broker := declared(t, traffic.Open(t, place.source(watermill.InOrder())))
	const rounds = 200
	published(t, broker, traffic.Numbered(0, rounds))
	for i := range rounds {
		s := traffic.Join(t, broker, carillon.SubscribeOptions{})
		settled(t, s, received(t, s, fmt.Sprint(i)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPublishingThatFails(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]watermill.Option{"in one call": nil, "one by one": {watermill.InOrder()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := newGroups(1)
			broker := declared(t, traffic.Open(t, place.source(options...)))
			place.fail(errBroken)
			err := broker.Publish(t.Context(), "orders", traffic.Numbered(1, 3))
			failed, ok := errors.AsType[*carillon.PublishError](err)
			if !ok || !errors.Is(err, carillon.ErrUnavailable) || !errors.Is(err, errBroken) || !slices.Equal(failed.Unconfirmed, []int{0, 1, 2}) {
				t.Errorf("got %v, want a PublishError of all three with ErrUnavailable and its cause", err)
			}
			if err := broker.Declare(t.Context(), carillon.Topic{Name: "late", Subscriptions: []string{"a"}}); !errors.Is(err, carillon.ErrUnavailable) {
				t.Errorf("declaring gives error %v, want ErrUnavailable", err)
			}
			if _, err := broker.Subscribe(t.Context(), "orders", "billing", carillon.SubscribeOptions{}); !errors.Is(err, carillon.ErrUnavailable) {
				t.Errorf("subscribing gives error %v, want ErrUnavailable", err)
			}
			if _, err := broker.Subscribe(t.Context(), "late", "a", carillon.SubscribeOptions{}); !errors.Is(err, carillon.ErrNotFound) {
				t.Errorf("subscribing to what could not be declared gives error %v, want ErrNotFound", err)
			}
			place.fail(nil)
			published(t, broker, traffic.Numbered(1, 3))
			if diff := cmp.Diff([]string{"1", "2", "3"}, place.uuids()); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// failingAt is a publisher that fails at one message.
type failingAt struct {
	*groups
	uuid string
}

func (p failingAt) Publish(topic string, messages ...*message.Message) error {
	for _, m := range messages {
		if m.UUID == p.uuid {
			return errBroken
		}
		if err := p.groups.Publish(topic, m); err != nil {
			return err
		}
	}
	return nil
}

// In order, no message is published behind one that was not.
func TestPublishingInOrderStopsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	place := newGroups(1)
	source := watermill.PubSub(
		func(context.Context) (message.Publisher, error) { return failingAt{place, "3"}, nil },
		func(_ context.Context, _, name string) (message.Subscriber, error) {
			return place.subscriber(name), nil
		},
		watermill.InOrder())
	broker := declared(t, traffic.Open(t, source))
	err := broker.Publish(t.Context(), "orders", traffic.Numbered(1, 5))
	failed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok || !slices.Equal(failed.Unconfirmed, []int{2, 3, 4}) {
		t.Errorf("got %v, want a PublishError of the third message and those behind it", err)
	}
	if diff := cmp.Diff([]string{"1", "2"}, place.uuids()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// hanging is a publisher whose calls do not end before it is let go.
type hanging struct {
	*groups
	free chan struct{}
}

func (p hanging) Publish(topic string, messages ...*message.Message) error {
	<-p.free
	return p.groups.Publish(topic, messages...)
}

// A publisher that hangs holds nobody for longer than its context, and no more calls than there are places for them.
func TestPublisherThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		place := hanging{newGroups(1), make(chan struct{})}
		source := watermill.PubSub(
			func(context.Context) (message.Publisher, error) { return place, nil },
			func(_ context.Context, _, name string) (message.Subscriber, error) {
				return place.subscriber(name), nil
			})
		broker, err := source.OpenBroker(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		declared(t, broker)
		const calls = 100
		for i := range calls {
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			err := broker.Publish(ctx, "orders", traffic.Numbered(i, 1))
			stop()
			if failed, ok := errors.AsType[*carillon.PublishError](err); !ok || !errors.Is(err, context.DeadlineExceeded) || len(failed.Unconfirmed) != 1 {
				t.Fatalf("call %d gives error %v, want a PublishError with the context's", i, err)
			}
		}
		began := time.Now()
		if err := broker.Close(); !errors.Is(err, carillon.ErrTimeout) || time.Since(began) != 10*time.Second {
			t.Errorf("closing gives error %v after %v, want ErrTimeout after 10 s", err, time.Since(began))
		}
		close(place.free)
		synctest.Wait()
		if got := len(place.uuids()); got != 64 {
			t.Errorf("%d calls were under way, want 64 at most", got)
		}
	})
}

// stuck is a subscriber whose calls do not end before it is let go.
type stuck struct {
	*member
	free chan struct{}
}

func (s stuck) SubscribeInitialize(topic string) error {
	<-s.free
	return s.member.SubscribeInitialize(topic)
}

func (s stuck) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	<-s.free
	return s.member.Subscribe(ctx, topic)
}

// A subscriber that hangs holds nobody for longer than its context, and is closed once it goes on.
func TestSubscriberThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		place, free := newGroups(1), make(chan struct{})
		var members []stuck
		source := func(options ...watermill.Option) *watermill.Source {
			return watermill.PubSub(
				func(context.Context) (message.Publisher, error) { return place, nil },
				func(_ context.Context, _, name string) (message.Subscriber, error) {
					members = append(members, stuck{place.subscriber(name), free})
					return members[len(members)-1], nil
				}, options...)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		topic := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}}
		if err := traffic.Open(t, source()).Declare(ctx, topic); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("declaring gives error %v, want the context's", err)
		}
		ctx, stop = context.WithTimeout(t.Context(), time.Second)
		defer stop()
		declaring := func(context.Context, carillon.Topic) error { return nil }
		broker := declared(t, traffic.Open(t, source(watermill.Declaring(declaring))))
		if _, err := broker.Subscribe(ctx, "orders", "billing", carillon.SubscribeOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("subscribing gives error %v, want the context's", err)
		}
		close(free)
		synctest.Wait()
		for i, m := range members {
			select {
			case <-m.closing:
			default:
				t.Errorf("subscriber %d of %d stays open", i+1, len(members))
			}
		}
	})
}

// A subscriber that ends by itself is replaced; meanwhile receiving says that the broker is unavailable.
func TestSubscriberThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		place := newGroups(1)
		broker := declared(t, traffic.Open(t, place.source(watermill.InOrder())))
		s := traffic.Join(t, broker, carillon.SubscribeOptions{})
		published(t, broker, traffic.Numbered(1, 2))
		held := received(t, s, "1")
		place.fail(errBroken)
		place.endAll()
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if _, err := s.Receive(ctx, 1); !errors.Is(err, carillon.ErrUnavailable) || !errors.Is(err, errBroken) {
			t.Fatalf("receiving without a subscriber gives error %v, want ErrUnavailable and its cause", err)
		}
		place.fail(nil)
		again := received(t, s, "1") // watermill has taken it back
		settled(t, s, held, again)
		settled(t, s, received(t, s, "2"))
		<-time.After(time.Second) // the time of the bubble
		if diff := cmp.Diff([]string{"1", "2"}, place.settled("orders", "billing")); diff != "" {
			t.Errorf("acknowledged (-want +got):\n%s", diff)
		}
	})
}

// A Pub/Sub that cannot make a subscription before its first consumer comes is refused: messages would be lost to it.
func TestDeclaringNeedsAWay(t *testing.T) {
	t.Parallel()
	place := newGroups(1)
	subscribers := func(_ context.Context, _, name string) (message.Subscriber, error) {
		return struct{ message.Subscriber }{place.subscriber(name)}, nil
	}
	publishers := func(context.Context) (message.Publisher, error) { return place, nil }
	broker := traffic.Open(t, watermill.PubSub(publishers, subscribers))
	topic := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}}
	if err := broker.Declare(t.Context(), topic); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("declaring gives error %v, want ErrUnsupported", err)
	}
	if err := broker.Publish(t.Context(), "orders", traffic.Numbered(1, 1)); !errors.Is(err, carillon.ErrUnroutable) {
		t.Errorf("publishing to a topic without a subscription gives error %v, want ErrUnroutable", err)
	}
	declaring := func(_ context.Context, topic carillon.Topic) error {
		for _, name := range topic.Subscriptions {
			place.group(topic.Name, name)
		}
		return nil
	}
	broker = declared(t, traffic.Open(t, watermill.PubSub(publishers, subscribers, watermill.Declaring(declaring))))
	published(t, broker, traffic.Numbered(1, 1))
	s := traffic.Join(t, broker, carillon.SubscribeOptions{})
	settled(t, s, received(t, s, "1"))
}

// What a native application of watermill publishes is read as the caller says.
func TestReadingNativeMessages(t *testing.T) {
	t.Parallel()
	place := newGroups(1)
	broker := declared(t, traffic.Open(t, place.source(watermill.Reading(func(topic string, m *message.Message) (carillon.Message, error) {
		plain, err := watermill.Plain(topic, m)
		plain.Kind, plain.Type, plain.Key = carillon.KindEvent, m.Metadata["name"], string(m.Payload)
		return plain, err
	}))))
	native := message.NewMessage("1", []byte("o-1"))
	native.Metadata.Set("name", "order.placed")
	unnamed := message.NewMessage("2", []byte("o-2"))
	if err := place.Publish("orders", native, unnamed); err != nil {
		t.Fatal(err)
	}
	s := traffic.Join(t, broker, carillon.SubscribeOptions{})
	first := received(t, s, "1")
	if m := first.Message; m.Type != "order.placed" || m.Key != "o-1" || m.Kind != carillon.KindEvent || m.Headers["name"] != "order.placed" {
		t.Errorf("it is read as %+v", m)
	}
	settled(t, s, first)
	second := received(t, s, "2")
	if m := second.Message; m.Type != watermill.TypeUnreadable || string(m.Payload) != "o-2" {
		t.Errorf("one that the mapping makes no valid message of is read as %+v", m)
	}
	settled(t, s, second)
}

// Consumers that share a feed, as with GoChannel, are given what one of them leaves, before anything newer.
func TestSharedFeed(t *testing.T) {
	t.Parallel()
	broker := declared(t, traffic.Open(t, channels(t)))
	published(t, broker, traffic.Numbered(1, 1))
	leaving := traffic.Join(t, broker, carillon.SubscribeOptions{})
	held := received(t, leaving, "1")
	published(t, broker, traffic.Numbered(2, 1))
	staying := traffic.Join(t, broker, carillon.SubscribeOptions{})
	if err := leaving.Close(); err != nil {
		t.Fatal(err)
	}
	again := received(t, staying, "1")
	settled(t, staying, again, received(t, staying, "2"))
	if err := leaving.Ack(t.Context(), []carillon.Delivery{held}); !errors.Is(err, carillon.ErrClosed) {
		t.Errorf("settling after leaving gives error %v, want ErrClosed", err)
	}
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := staying.Receive(t.Context(), 1); !errors.Is(err, carillon.ErrClosed) {
		t.Errorf("receiving from a closed broker gives error %v, want ErrClosed", err)
	}
}

func TestOpeningThatFails(t *testing.T) {
	t.Parallel()
	source := watermill.PubSub(
		func(context.Context) (message.Publisher, error) { return nil, errBroken },
		func(context.Context, string, string) (message.Subscriber, error) { return nil, errBroken })
	if _, err := source.OpenBroker(t.Context()); !errors.Is(err, carillon.ErrUnavailable) || !errors.Is(err, errBroken) {
		t.Errorf("opening gives error %v, want ErrUnavailable and its cause", err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := source.OpenBroker(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("opening with a context that has ended gives error %v", err)
	}
}
