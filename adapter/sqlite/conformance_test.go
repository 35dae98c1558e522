package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Log(t, func(t testing.TB) carillon.Opener {
		return File(filepath.Join(t.TempDir(), "log.db"))
	}, conformance.WithSlowCommits(func(t testing.TB, stall func()) carillon.Opener {
		source := File(filepath.Join(t.TempDir(), "slow.db"))
		source.beforeCommit = stall
		return source
	}))
}

func TestReadModelConformance(t *testing.T) {
	t.Parallel()
	conformance.ReadModel(t, func(t testing.TB) carillon.Opener {
		return File(filepath.Join(t.TempDir(), "models.db"))
	})
}

func TestBrokerConformance(t *testing.T) {
	t.Parallel()
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener {
		return conformance.StoreBroker(File(filepath.Join(t.TempDir(), "topics.db")))
	})
}

// TestCapabilitiesPage holds what the broker says of itself against the page about brokers.
func TestCapabilitiesPage(t *testing.T) {
	t.Parallel()
	broker, err := conformance.StoreBroker(File(filepath.Join(t.TempDir(), "topics.db"))).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", broker.Capabilities())
}
