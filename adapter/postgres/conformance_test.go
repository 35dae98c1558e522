package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/backends"
)

// few keeps the pools of many stores at once below the server's limit.
func few(config *pgxpool.Config) { config.MaxConns = 6 }

func TestConformance(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	conformance.Log(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(backends.Schema(t, url)), Configure(few))
	}, conformance.WithSlowCommits(func(t testing.TB, stall func()) carillon.Opener {
		source := URL(url, Schema(backends.Schema(t, url)), Configure(few))
		source.beforeDone = stall
		return source
	}))
}

func TestConformanceThroughPgBouncer(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.PgBouncer)
	conformance.Log(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(backends.Schema(t, url)), PgBouncer(), Configure(few))
	})
}

func TestReadModelConformance(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	conformance.ReadModel(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(backends.Schema(t, url)), Configure(few))
	})
}

func TestReadModelConformanceThroughPgBouncer(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.PgBouncer)
	conformance.ReadModel(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(backends.Schema(t, url)), PgBouncer(), Configure(few))
	})
}

func TestBrokerConformance(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener {
		return conformance.StoreBroker(URL(url, Schema(backends.Schema(t, url)), Configure(few)))
	})
}

func TestBrokerConformanceThroughPgBouncer(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.PgBouncer)
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener {
		return conformance.StoreBroker(URL(url, Schema(backends.Schema(t, url)), PgBouncer(), Configure(few)))
	})
}

// TestCapabilitiesPage holds what the broker says of itself against the page about brokers.
func TestCapabilitiesPage(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	broker, err := conformance.StoreBroker(URL(url, Schema(backends.Schema(t, url)), Configure(few))).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", broker.Capabilities())
}
