package backends

import (
	"net"
	"testing"
)

// A port is one test's though nothing listens on it yet, until the test ends; and the port of a server is nobody's.
func TestAPortIsOneTests(t *testing.T) {
	t.Parallel()
	port := 0
	t.Run("holder", func(t *testing.T) {
		port = reservePort(t)
		if holdPort(t, port) != nil {
			t.Fatalf("port %d was given twice", port)
		}
	})
	held := holdPort(t, port)
	if held == nil {
		t.Fatalf("port %d is held after its test", port)
	}
	_ = held.Close()
	server, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if taken := server.Addr().(*net.TCPAddr).Port; holdPort(t, taken) != nil {
		t.Fatalf("port %d was given, which a server has", taken)
	}
}
