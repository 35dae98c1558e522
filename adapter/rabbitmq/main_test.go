package rabbitmq_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serverURL is that of a real server.
func serverURL(t testing.TB) string {
	t.Helper()
	return backends.Variable(t, backends.RabbitMQ)
}

// place is a prefix of its own on the server. What was declared there is deleted when the test ends.
type place struct {
	url    string
	prefix string
	source *rabbitmq.Source

	mu     sync.Mutex
	topics map[string]carillon.Topic
}

func newPlace(t testing.TB, options ...rabbitmq.Option) *place {
	t.Helper()
	p := &place{url: serverURL(t), prefix: "test-" + rand.Text()[:12], topics: make(map[string]carillon.Topic)}
	p.source = rabbitmq.Server(p.url, append(options, rabbitmq.Prefix(p.prefix))...)
	t.Cleanup(func() { p.clean(t) })
	return p
}

func (p *place) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	broker, err := p.source.OpenBroker(ctx)
	if err != nil {
		return nil, err
	}
	return &recorder{broker.(*rabbitmq.Broker), p}, nil
}

// recorder notes what is declared.
type recorder struct {
	*rabbitmq.Broker
	place *place
}

func (r *recorder) Declare(ctx context.Context, topics ...carillon.Topic) error {
	r.place.mu.Lock()
	for _, t := range topics {
		known := r.place.topics[t.Name]
		t = t.WithDefaults()
		t.Subscriptions = append(append([]string(nil), known.Subscriptions...), t.Subscriptions...)
		r.place.topics[t.Name] = t
	}
	r.place.mu.Unlock()
	return r.Broker.Declare(ctx, topics...)
}

func (p *place) clean(t testing.TB) {
	t.Helper()
	conn, err := amqp.Dial(p.url)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Error(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, topic := range p.topics {
		for _, exchange := range []string{"", "::bounded"} {
			_ = ch.ExchangeDelete(p.prefix+":"+topic.Name+exchange, false, true)
		}
		_, _ = ch.QueueDelete(p.prefix+":"+topic.Name, false, false, true)
		for _, subscription := range topic.Subscriptions {
			_ = ch.ExchangeDelete(p.prefix+":"+topic.Name+":"+subscription, false, true)
			for partition := range topic.Partitions {
				_, _ = ch.QueueDelete(p.queue(topic.Name, subscription, partition), false, false, true)
			}
		}
	}
	if _, err := ch.QueueDeclare("", false, true, true, false, nil); err != nil { // an answer: all that was asked before is done
		t.Error(err)
	}
}

func TestBrokerConformance(t *testing.T) {
	t.Parallel()
	serverURL(t)
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener { return newPlace(t) })
}

func (p *place) queue(topic, subscription string, partition int) string {
	return fmt.Sprintf("%s:%s:%s:%d", p.prefix, topic, subscription, partition)
}

func TestDocumentedCapabilities(t *testing.T) {
	t.Parallel()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", traffic.Open(t, newPlace(t)).Capabilities())
}
