package jetstream_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/backends"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	testConformance(t, startServer(t, nil).ClientURL())
}

// TestServer runs the kit against a server in a process of its own.
func TestServer(t *testing.T) {
	t.Parallel()
	testConformance(t, backends.Variable(t, backends.NATS))
}

func testConformance(t *testing.T, url string) {
	t.Helper()
	conformance.Broker(t, func(testing.TB) carillon.BrokerOpener {
		return jetstream.Server(url, jetstream.Prefix("t"+strings.ToLower(rand.Text()[:16])))
	})
}

// TestCapabilitiesPage holds what the broker says of itself against the page about brokers.
func TestCapabilitiesPage(t *testing.T) {
	t.Parallel()
	broker, err := jetstream.Server(backends.Variable(t, backends.NATS)).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", broker.Capabilities())
}
