package interop

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"gocloud.dev/pubsub/driver"
	"gocloud.dev/pubsub/drivertest"

	"github.com/carillon-go/carillon"
)

// TestGoCloud runs gocloud.dev's suite for its own drivers over the brokers.
func TestGoCloud(t *testing.T) {
	t.Parallel()
	for name, open := range brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := opened(t, open)
			drivertest.RunConformanceTests(t, func(context.Context, *testing.T) (drivertest.Harness, error) {
				return &cloudHarness{broker: broker}, nil
			}, nil)
		})
	}
}

// cloudHarness gives the suite topics and subscriptions of a broker that all its tests share.
type cloudHarness struct {
	broker carillon.Broker
	joined []*cloudSubscription
}

var errNoTopic = errors.New("it is no topic of the harness")

func (h *cloudHarness) CreateTopic(ctx context.Context, _ string) (driver.Topic, func(), error) {
	name := "topic-" + strings.ToLower(rand.Text()[:16])
	return &cloudTopic{h.broker, name}, func() {}, h.broker.Declare(ctx, carillon.Topic{Name: name, Partitions: 2})
}

func (h *cloudHarness) MakeNonexistentTopic(context.Context) (driver.Topic, error) {
	return &cloudTopic{h.broker, "nowhere"}, nil
}

func (h *cloudHarness) CreateSubscription(ctx context.Context, topic driver.Topic, _ string) (driver.Subscription, func(), error) {
	of, ok := topic.(*cloudTopic)
	if !ok {
		return nil, nil, errNoTopic
	}
	name := "subscription-" + strings.ToLower(rand.Text()[:16])
	err := h.broker.Declare(ctx, carillon.Topic{Name: of.name, Partitions: 2, Subscriptions: []string{name}})
	s := newCloudSubscription(h.broker, of.name, name)
	h.joined = append(h.joined, s)
	return s, func() {}, err
}

func (h *cloudHarness) MakeNonexistentSubscription(context.Context) (driver.Subscription, func(), error) {
	return newCloudSubscription(h.broker, "nowhere", "nobody"), func() {}, nil
}

// Close leaves the subscriptions, of which the suite leaves some to the harness.
func (h *cloudHarness) Close() {
	for _, s := range h.joined {
		_ = s.Close() // leaving twice is no error
	}
}

func (*cloudHarness) MaxBatchSizes() (int, int) { return 0, 0 }

func (*cloudHarness) SupportsMultipleSubscriptions() bool { return true }
