package conformance

import (
	"context"
	"slices"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// alteredBroker is a client of the reference broker with some of its methods replaced. A method left nil is the inner broker's.
type alteredBroker struct {
	carillon.Broker
	can   carillon.Capabilities
	outer carillon.Broker // what is opened; nil for the altered broker itself

	declare   func(ctx context.Context, topics []carillon.Topic) error
	publish   func(ctx context.Context, topic string, messages []carillon.Message) error
	subscribe func(ctx context.Context, topic, subscription string, options carillon.SubscribeOptions) (carillon.Subscription, error)
	probe     func(ctx context.Context, topic, subscription string) (carillon.Backlog, error)
	close     func() error
	joined    func(s *alteredSubscription) // alters a subscription that was joined
}

func (b *alteredBroker) Capabilities() carillon.Capabilities { return b.can }

func (b *alteredBroker) Declare(ctx context.Context, topics ...carillon.Topic) error {
	if b.declare != nil {
		return b.declare(ctx, topics)
	}
	return b.Broker.Declare(ctx, topics...)
}

func (b *alteredBroker) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	if b.publish != nil {
		return b.publish(ctx, topic, messages)
	}
	return b.Broker.Publish(ctx, topic, messages)
}

func (b *alteredBroker) Subscribe(
	ctx context.Context, topic, subscription string, options carillon.SubscribeOptions,
) (carillon.Subscription, error) {
	if b.subscribe != nil {
		return b.subscribe(ctx, topic, subscription, options)
	}
	return b.join(ctx, topic, subscription, options)
}

// join joins the inner broker's subscription and alters it.
func (b *alteredBroker) join(
	ctx context.Context, topic, subscription string, options carillon.SubscribeOptions,
) (carillon.Subscription, error) {
	inner, err := b.Broker.Subscribe(ctx, topic, subscription, options)
	if err != nil || b.joined == nil {
		return inner, err
	}
	s := &alteredSubscription{inner: inner, topic: topic, name: subscription, options: options}
	b.joined(s)
	return s, nil
}

func (b *alteredBroker) Probe(ctx context.Context, topic, subscription string) (carillon.Backlog, error) {
	if b.probe != nil {
		return b.probe(ctx, topic, subscription)
	}
	return b.Broker.(carillon.Prober).Probe(ctx, topic, subscription)
}

func (b *alteredBroker) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Broker.Close()
}

// alteredSubscription is a subscription with some of its methods replaced.
type alteredSubscription struct {
	inner       carillon.Subscription
	topic, name string
	options     carillon.SubscribeOptions

	receive func(ctx context.Context, limit int) ([]carillon.Delivery, error)
	ack     func(ctx context.Context, deliveries []carillon.Delivery) error
	close   func() error
}

func (s *alteredSubscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	if s.receive != nil {
		return s.receive(ctx, limit)
	}
	return s.inner.Receive(ctx, limit)
}

func (s *alteredSubscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if s.ack != nil {
		return s.ack(ctx, deliveries)
	}
	return s.inner.Ack(ctx, deliveries)
}

func (s *alteredSubscription) Close() error {
	if s.close != nil {
		return s.close()
	}
	return s.inner.Close()
}

type brokerOpenerFunc func(ctx context.Context) (carillon.Broker, error)

func (f brokerOpenerFunc) OpenBroker(ctx context.Context) (carillon.Broker, error) { return f(ctx) }

// alterPlace opens the reference with every client altered. begin is called for each new place: what it declares is shared by the
// place's clients. home is a client of the place that is closed when the test ends.
func alterPlace(begin func(home carillon.Broker) (change func(b *alteredBroker))) BrokerOpener {
	return func(t testing.TB) carillon.BrokerOpener {
		store := memory.Volatile()
		home := store.Broker()
		t.Cleanup(func() {
			if err := home.Close(); err != nil {
				t.Errorf("close the place's own client: %v", err)
			}
		})
		change := begin(home)
		return brokerOpenerFunc(func(ctx context.Context) (carillon.Broker, error) {
			inner, err := store.OpenBroker(ctx)
			if err != nil {
				return nil, err
			}
			b := &alteredBroker{Broker: inner, can: inner.Capabilities()}
			change(b)
			if b.outer != nil {
				return b.outer, nil
			}
			return b, nil
		})
	}
}

// alterBroker opens the reference with every client altered.
func alterBroker(change func(b *alteredBroker)) BrokerOpener {
	return alterPlace(func(carillon.Broker) func(b *alteredBroker) { return change })
}

// claiming opens the reference with other capabilities.
func claiming(change func(can *carillon.Capabilities)) BrokerOpener {
	return alterBroker(func(b *alteredBroker) { change(&b.can) })
}

// alterSubscriptions opens the reference with every subscription altered.
func alterSubscriptions(change func(s *alteredSubscription)) BrokerOpener {
	return alterBroker(func(b *alteredBroker) { b.joined = change })
}

// alterDeliveries opens the reference with every delivery changed before it is handed over.
func alterDeliveries(change func(delivery *carillon.Delivery)) BrokerOpener {
	return alterSubscriptions(func(s *alteredSubscription) {
		s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
			deliveries, err := s.inner.Receive(ctx, limit)
			for i := range deliveries {
				change(&deliveries[i])
			}
			return deliveries, err
		}
	})
}

// alterErrors opens the reference with the errors of all methods of the broker changed.
func alterErrors(change func(err error) error) BrokerOpener {
	return alterBroker(func(b *alteredBroker) {
		b.declare = func(ctx context.Context, topics []carillon.Topic) error {
			return change(b.Broker.Declare(ctx, topics...))
		}
		b.publish = func(ctx context.Context, topic string, messages []carillon.Message) error {
			return change(b.Broker.Publish(ctx, topic, messages))
		}
		b.subscribe = func(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
			joined, err := b.join(ctx, topic, name, options)
			return joined, change(err)
		}
		b.probe = func(ctx context.Context, topic, name string) (carillon.Backlog, error) {
			backlog, err := b.Broker.(carillon.Prober).Probe(ctx, topic, name)
			return backlog, change(err)
		}
	})
}

// outstanding are a consumer's deliveries that were not settled.
type outstanding []carillon.Delivery

func (o *outstanding) add(deliveries []carillon.Delivery) { *o = append(*o, deliveries...) }

func (o *outstanding) settle(deliveries []carillon.Delivery) {
	*o = slices.DeleteFunc(*o, func(held carillon.Delivery) bool {
		return slices.ContainsFunc(deliveries, func(d carillon.Delivery) bool { return d.Handle == held.Handle })
	})
}

// follow has a subscription note what it has and did not settle.
func (s *alteredSubscription) follow() *outstanding {
	o := &outstanding{}
	s.receive = func(ctx context.Context, limit int) ([]carillon.Delivery, error) {
		deliveries, err := s.inner.Receive(ctx, limit)
		o.add(deliveries)
		return deliveries, err
	}
	s.ack = func(ctx context.Context, deliveries []carillon.Delivery) error {
		o.settle(deliveries)
		return s.inner.Ack(ctx, deliveries)
	}
	return o
}
