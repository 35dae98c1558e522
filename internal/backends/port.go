package backends

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// The ports of clusters: below those that scripts/backends takes, and below those that systems hand out by themselves, one of which a client
// that tries to connect would get while the server is away.
const firstPort, endPort = 10_000, 20_000

// reservePort returns a port that nobody listens on. It is the test's until its end, also while the server on it is away: no other test gets
// it, in whichever process, for the UDP port of the same number is held.
func reservePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := firstPort + rand.N(endPort-firstPort)
		if held := holdPort(t, port); held != nil {
			t.Cleanup(func() { _ = held.Close() })
			return port
		}
	}
	t.Fatalf("of a hundred ports from %d to %d none was free", firstPort, endPort)
	return 0
}

// holdPort is nil when the port is another's.
func holdPort(t testing.TB, port int) net.PacketConn {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	held, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", address)
	if err != nil {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		_ = held.Close()
		return nil
	}
	_ = listener.Close()
	return held
}
