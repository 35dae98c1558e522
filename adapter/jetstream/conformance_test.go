package jetstream_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	conformance.Broker(t, func(testing.TB) carillon.BrokerOpener {
		return jetstream.Server(url, jetstream.Prefix("t"+strings.ToLower(rand.Text()[:16])))
	})
}
