package interop

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/watermill"
	"github.com/carillon-go/carillon/internal/processes"
)

// TestWatermill runs watermill's suite for its own adapters over the brokers, with the counts it has for slow ones.
func TestWatermill(t *testing.T) {
	t.Parallel()
	watermillSuite(t, func(features *tests.Features) { features.ForceShort = true })
}

// TestNightlyWatermill runs it at full size.
func TestNightlyWatermill(t *testing.T) {
	processes.Nightly(t)
	watermillSuite(t, func(*tests.Features) {})
}

func watermillSuite(t *testing.T, change func(features *tests.Features)) {
	t.Helper()
	for name, open := range brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			features := watermillFeatures()
			change(&features)
			broker := opened(t, open)
			group := func(_ *testing.T, group string) (message.Publisher, message.Subscriber) {
				return watermillPair(broker, group)
			}
			tests.TestPubSub(t, features, func(*testing.T) (message.Publisher, message.Subscriber) {
				return watermillPair(broker, "all")
			}, group)
		})
	}
}

// watermillFeatures are the promises of Carillon in the words of the suite.
func watermillFeatures() tests.Features {
	return tests.Features{
		// A subscription's name is a consumer group.
		ConsumerGroups: true,
		// Delivery is at least once: a message may come again after a consumer has come or gone. Effects happen once where a handler's state
		// and its inbox share a transaction, which a channel of messages has no place for.
		ExactlyOnceDelivery: false,
		// Order is kept per key, among any number of subscribers, also after Nack.
		GuaranteedOrder:                     true,
		GuaranteedOrderWithSingleSubscriber: false,
		// What was not acknowledged is there for the next subscriber.
		Persistent: true,
		// A subscription begins with what is published after its declaration, and messages that were acknowledged do not come again: a view
		// that wants the history reads the log, not a topic.
		NewSubscriberReceivesOldMessages: false,
		// Messages travel between processes, contexts do not.
		ContextPreserved:      false,
		RequireSingleInstance: false,
	}
}

// watermillPair makes a publisher and a subscriber. The suite expects messages of the same payload in order, so that is the key.
func watermillPair(broker carillon.Broker, group string) (message.Publisher, message.Subscriber) {
	byPayload := func(topic string, m *message.Message) (carillon.Message, error) {
		plain, err := watermill.Plain(topic, m)
		plain.Key = string(m.Payload)
		return plain, err
	}
	return watermill.NewPublisher(broker, watermill.PublishAs(byPayload)),
		watermill.NewSubscriber(broker, group, watermill.RedeliverAfter(time.Millisecond))
}
