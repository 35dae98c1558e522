package watermill_test

import (
	"context"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"go.uber.org/goleak"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/watermill"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// channels makes a broker of watermill's GoChannel.
func channels(t testing.TB, options ...watermill.Option) *watermill.Source {
	pubSub := gochannel.NewGoChannel(gochannel.Config{}, nil)
	t.Cleanup(func() {
		if err := pubSub.Close(); err != nil {
			t.Error(err)
		}
	})
	return watermill.PubSub(
		func(context.Context) (message.Publisher, error) { return watermill.KeepPublisher(pubSub), nil },
		func(context.Context, string, string) (message.Subscriber, error) {
			return watermill.KeepSubscriber(pubSub), nil
		},
		append([]watermill.Option{watermill.Name("GoChannel"), watermill.Volatile()}, options...)...)
}

func TestGoChannelConformance(t *testing.T) {
	t.Parallel()
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener { return channels(t) }, conformance.WithoutReopen())
}

// In order there is one message at a time.
func TestConformanceInOrder(t *testing.T) {
	t.Parallel()
	conformance.Broker(t, func(testing.TB) carillon.BrokerOpener { return newGroups(1).source(watermill.InOrder()) })
}

// Without order there may be several subscribers for each consumer, which holds as many deliveries.
func TestConformanceInParallel(t *testing.T) {
	t.Parallel()
	const subscribers = 12
	conformance.Broker(t, func(testing.TB) carillon.BrokerOpener {
		return newGroups(4 * subscribers).source(watermill.Parallel(subscribers))
	})
}

func TestBrokerIsDocumented(t *testing.T) {
	t.Parallel()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", traffic.Open(t, watermill.PubSub(
		func(context.Context) (message.Publisher, error) { return newGroups(1), nil },
		func(context.Context, string, string) (message.Subscriber, error) { return nil, errBroken })).Capabilities())
}
