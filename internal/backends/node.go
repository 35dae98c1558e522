package backends

import (
	"context"
	"crypto/rand"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Node is a server of one test, which may kill it. Use it from one goroutine at a time.
type Node struct {
	// Address is what clients connect to: a URL, or host:port for Kafka. It stays the same across restarts.
	Address string

	control, name string
}

// Start makes a server and returns once it serves. The variable is one of NATSNode, RedisNode, RabbitMQNode and KafkaNode; where it
// says nothing the test is skipped, or fails when backends are required. The server and its data are gone when the test ends.
func Start(t testing.TB, variable string) *Node {
	t.Helper()
	node := &Node{control: Variable(t, variable), name: strings.ToLower(rand.Text()[:12])}
	t.Cleanup(func() { node.do(t, "remove") })
	node.Restart(t)
	return node
}

// Restart starts a server that was killed or stopped, with the data it had, and returns once it serves. One that runs goes on.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.Address = n.do(t, "start")
}

// Kill ends the server by SIGKILL and returns once it is gone.
func (n *Node) Kill(t testing.TB) {
	t.Helper()
	n.do(t, "kill")
}

// Stop shuts the server down in order and returns once it is gone; after 15 s it is killed.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	n.do(t, "stop")
}

// Process returns the id of the running server, to send other signals to. A restart changes it.
func (n *Node) Process(t testing.TB) int {
	t.Helper()
	id, err := strconv.Atoi(n.do(t, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (n *Node) do(t testing.TB, action string) string {
	t.Helper()
	var said strings.Builder
	command := exec.CommandContext(context.WithoutCancel(t.Context()), n.control, action, n.name)
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", n.control, action, err, said.String())
	}
	return strings.TrimSpace(string(output))
}
