package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/conformance"
)

// few keeps the pools of many stores at once below the server's limit.
func few(config *pgxpool.Config) { config.MaxConns = 6 }

func TestConformance(t *testing.T) {
	t.Parallel()
	url := database(t, urlVariable)
	conformance.Log(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(schema(t, url)), Configure(few))
	}, conformance.WithSlowCommits(func(t testing.TB, stall func()) carillon.Opener {
		source := URL(url, Schema(schema(t, url)), Configure(few))
		source.beforeDone = stall
		return source
	}))
}

func TestConformanceThroughPgBouncer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: the same without a pooler runs")
	}
	url := database(t, pgBouncerVariable)
	conformance.Log(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(schema(t, url)), PgBouncer(), Configure(few))
	})
}

func TestReadModelConformance(t *testing.T) {
	t.Parallel()
	url := database(t, urlVariable)
	conformance.ReadModel(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(schema(t, url)), Configure(few))
	})
}

func TestReadModelConformanceThroughPgBouncer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: the same without a pooler runs")
	}
	url := database(t, pgBouncerVariable)
	conformance.ReadModel(t, func(t testing.TB) carillon.Opener {
		return URL(url, Schema(schema(t, url)), PgBouncer(), Configure(few))
	})
}
