package interop

import (
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/jetstream/inprocess"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/backends"
)

// brokers are what the suites run over, each in an empty place.
func brokers() map[string]func(t testing.TB) carillon.BrokerOpener {
	return map[string]func(t testing.TB) carillon.BrokerOpener{
		"memory": func(testing.TB) carillon.BrokerOpener { return memory.Volatile() },
		"SQLite": func(t testing.TB) carillon.BrokerOpener {
			return conformance.StoreBroker(sqlite.File(filepath.Join(t.TempDir(), "topics.db")))
		},
		"PostgreSQL": func(t testing.TB) carillon.BrokerOpener {
			url := backends.Variable(t, backends.Postgres)
			few := func(config *pgxpool.Config) { config.MaxConns = 8 }
			return conformance.StoreBroker(postgres.URL(url, postgres.Schema(backends.Schema(t, url)), postgres.Configure(few)))
		},
		"JetStream in process": func(t testing.TB) carillon.BrokerOpener { return inprocess.Directory(t.TempDir()) },
		"NATS JetStream": func(t testing.TB) carillon.BrokerOpener {
			return jetstream.Server(backends.Variable(t, backends.NATS), jetstream.Prefix("t"+strings.ToLower(rand.Text()[:16])))
		},
		"Kafka": func(t testing.TB) carillon.BrokerOpener {
			return kafka.URL("kafka://"+backends.Variable(t, backends.Kafka), kafka.Prefix("test-"+strings.ToLower(rand.Text()[:12])+"-"))
		},
	}
}

// opened opens a broker until the test ends.
func opened(t *testing.T, open func(t testing.TB) carillon.BrokerOpener) carillon.Broker {
	t.Helper()
	broker, err := open(t).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	return broker
}
