package faultproxy_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/rabbitmq"
	"github.com/carillon-go/carillon/adapter/redisstream"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/faultproxy"
)

// limit is what calls of the brokers are bounded by.
const limit = time.Second

// broker is a server that moves messages, with a proxy before it.
type broker struct {
	name string
	// open makes a proxy, and what connects through it to a part of the server that nobody else uses.
	open func(t testing.TB) (*faultproxy.Proxy, carillon.BrokerOpener)
}

func brokers() []broker {
	return []broker{
		{"JetStream", func(t testing.TB) (*faultproxy.Proxy, carillon.BrokerOpener) {
			t.Helper()
			p, url := before(t, backends.Variable(t, backends.NATS))
			return p, jetstream.Server(url, jetstream.Prefix(unique()), jetstream.Timeout(limit), jetstream.PingEvery(limit/2))
		}},
		{"Kafka", func(t testing.TB) (*faultproxy.Proxy, carillon.BrokerOpener) {
			t.Helper()
			seed := backends.Variable(t, backends.Kafka)
			p := proxy(t, seed)
			return p, kafka.Brokers([]string{seed}, kafka.Prefix(unique()), kafka.Timeout(limit), kafka.Dialer(p.Dial))
		}},
		{"RabbitMQ", func(t testing.TB) (*faultproxy.Proxy, carillon.BrokerOpener) {
			t.Helper()
			p, url := before(t, backends.Variable(t, backends.RabbitMQ))
			return p, rabbitmq.Server(url, rabbitmq.Prefix(unique()), rabbitmq.Timeout(limit), rabbitmq.Heartbeat(time.Second))
		}},
		{"Redis", func(t testing.TB) (*faultproxy.Proxy, carillon.BrokerOpener) {
			t.Helper()
			p, url := before(t, backends.Variable(t, backends.Redis))
			return p, redisstream.Server(url, redisstream.Prefix(unique()), redisstream.Timeout(limit))
		}},
		{"PostgreSQL", func(t testing.TB) (*faultproxy.Proxy, carillon.BrokerOpener) {
			t.Helper()
			direct := backends.Variable(t, backends.Postgres)
			p, url := before(t, direct)
			return p, postgres.URL(url, postgres.Schema(backends.Schema(t, direct)), postgres.BrokerTimeout(limit))
		}},
	}
}

func before(t testing.TB, server string) (*faultproxy.Proxy, string) {
	t.Helper()
	p, url, err := faultproxy.Before(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, url
}

func unique() string { return "test-" + strings.ToLower(rand.Text()[:12]) }
