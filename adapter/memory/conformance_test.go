package memory_test

import (
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Log(t, func(testing.TB) carillon.Opener { return memory.Volatile() })
}

func TestReadModelConformance(t *testing.T) {
	t.Parallel()
	conformance.ReadModel(t, func(testing.TB) carillon.Opener { return memory.Volatile() })
}

func TestBrokerConformance(t *testing.T) {
	t.Parallel()
	conformance.Broker(t, func(testing.TB) carillon.BrokerOpener { return memory.Volatile() })
}

func TestBrokerIsDocumented(t *testing.T) {
	t.Parallel()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", memory.Volatile().Broker().Capabilities())
}
