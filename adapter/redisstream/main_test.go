package redisstream_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/redisstream"
	"github.com/carillon-go/carillon/conformance"
	"github.com/carillon-go/carillon/internal/backends"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serverURL is that of a real server.
func serverURL(t testing.TB) string {
	t.Helper()
	return backends.Variable(t, backends.Redis)
}

// client is one that knows nothing of Carillon.
func client(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(options)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// newPrefix returns a prefix of its own on the server. What begins with it is deleted when the test ends.
func newPrefix(t testing.TB) string {
	t.Helper()
	prefix, c := "test-"+rand.Text()[:12], client(t, serverURL(t))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		keys := c.Scan(ctx, 0, prefix+":*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := c.Del(ctx, keys.Val()).Err(); err != nil {
				t.Error(err)
			}
		}
		if err := keys.Err(); err != nil {
			t.Error(err)
		}
	})
	return prefix
}

func TestBrokerConformance(t *testing.T) {
	t.Parallel()
	url := serverURL(t)
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener {
		return redisstream.Server(url, redisstream.Prefix(newPrefix(t)))
	})
}

func TestDocumentedCapabilities(t *testing.T) {
	t.Parallel()
	conformance.DocumentBroker(t, "../../docs/reference/brokers", opened(t, redisstream.Server(serverURL(t))).Capabilities())
}
