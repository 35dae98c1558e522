package rabbitmq_test

import (
	"testing"

	"github.com/carillon-go/carillon/internal/faultproxy"
)

// newProxy stands before the server until the test ends, and returns the URL at which clients find it.
func newProxy(t testing.TB) (*faultproxy.Proxy, string) {
	t.Helper()
	p, through, err := faultproxy.Before(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, through
}
