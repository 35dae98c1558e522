package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// clusterNode tells a child of the test which server of a cluster it is.
const clusterNode = "CARILLON_TEST_CLUSTER_NODE"

// member is one server of a cluster, a process of its own.
type member struct {
	Name, Directory string
	Port, Routes    int
	Others          []int // their ports for routes
	process         *exec.Cmd
	url             string
}

// serve runs a server of a cluster until it is killed.
func serve(configuration string) int {
	var m member
	if err := json.Unmarshal([]byte(configuration), &m); err != nil {
		return 1
	}
	var routes []string
	for _, port := range m.Others {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	s, err := server.NewServer(&server.Options{
		ServerName: m.Name, Host: "127.0.0.1", Port: m.Port, JetStream: true, StoreDir: m.Directory, SyncAlways: true, NoLog: true, NoSigs: true,
		Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: m.Routes}, Routes: server.RoutesFromStr(strings.Join(routes, ",")),
	})
	if err != nil {
		return 1
	}
	s.Start()
	s.WaitForShutdown()
	return 1
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// startCluster starts three servers, and returns when they have agreed on a leader.
func startCluster(t testing.TB) []*member {
	t.Helper()
	members := make([]*member, 3)
	for i := range members {
		members[i] = &member{Name: fmt.Sprint("n", i), Directory: t.TempDir(), Port: freePort(t), Routes: freePort(t)}
		members[i].url = fmt.Sprintf("nats://127.0.0.1:%d", members[i].Port)
	}
	for i, m := range members {
		for j, other := range members {
			if i != j {
				m.Others = append(m.Others, other.Routes)
			}
		}
		configuration, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		m.process = exec.Command(os.Args[0])
		m.process.Env = append(os.Environ(), clusterNode+"="+string(configuration))
		if err := m.process.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.kill)
	}
	return members
}

func (m *member) kill() {
	_ = m.process.Process.Kill()
	_ = m.process.Wait()
}

// openCluster waits until the servers of a cluster agree.
func openCluster(t testing.TB, members []*member, options ...jetstream.Option) carillon.Broker {
	t.Helper()
	var urls []string
	for _, m := range members {
		urls = append(urls, m.url)
	}
	options = append(options, jetstream.Replicas(3), jetstream.Timeout(3*time.Second), jetstream.Connect(nats.DontRandomize()))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		b, err := jetstream.Server(strings.Join(urls, ","), options...).OpenBroker(ctx)
		if err == nil {
			t.Cleanup(func() { _ = b.Close() })
			return b
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestCluster kills the server that everybody is connected to while messages flow: none is lost, and each key keeps its order.
func TestCluster(t *testing.T) {
	t.Parallel()
	const keys, each = 6, 120
	members := startCluster(t)
	b := openCluster(t, members)
	if can := b.Capabilities(); can.Confirm != carillon.ConfirmedFlushed {
		t.Errorf("three servers that flush confirm %v", can.Confirm)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	persist(ctx, t, func() error {
		return b.Declare(ctx, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 3})
	})
	s := subscribe(t, openCluster(t, members), "orders", "billing", carillon.SubscribeOptions{AckDeadline: 10 * time.Second})

	half := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := range each {
			var messages []carillon.Message
			for key := range keys {
				messages = append(messages, message(fmt.Sprint("k", key), n))
			}
			persist(ctx, t, func() error { return b.Publish(ctx, "orders", messages) })
			if n == each/2 {
				close(half)
			}
		}
	})
	publishing.Go(func() {
		select {
		case <-half:
			members[0].kill()
		case <-ctx.Done():
		}
	})
	next := make(map[string]int)
	for left := keys * each; left > 0; {
		got, err := s.Receive(ctx, 50)
		if err != nil && !errors.Is(err, carillon.ErrUnavailable) {
			t.Errorf("%d messages are missing: %v", left, err)
			break
		}
		for _, d := range got {
			switch number := fmt.Sprintf("%s-%d", d.Message.Key, next[d.Message.Key]); {
			case d.Message.ID == number:
				next[d.Message.Key]++
				left--
			case d.Attempt < 2:
				t.Errorf("%s came in place of %s", d.Message.ID, number)
			}
		}
		if err := s.Ack(ctx, got); err != nil && !errors.Is(err, carillon.ErrUnavailable) {
			t.Error(err)
		}
	}
	publishing.Wait()
}

// persist tries again while the broker is unavailable.
func persist(ctx context.Context, t testing.TB, do func() error) {
	t.Helper()
	for {
		err := do()
		if err == nil {
			return
		}
		if !errors.Is(err, carillon.ErrUnavailable) || ctx.Err() != nil {
			t.Error(err)
			return
		}
	}
}
