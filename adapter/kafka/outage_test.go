package kafka_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/internal/traffic"
)

// network makes connections that can be cut, and that can fall silent.
type network struct {
	mu     sync.Mutex
	down   bool
	silent chan struct{} // closed when it is over; nil when it is not
	conns  []net.Conn
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.New("the network is down")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n.conns = append(n.conns, conn)
	return &silenced{Conn: conn, network: n}, nil
}

// cut closes all connections and refuses new ones, until it is mended.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for _, conn := range n.conns {
		_ = conn.Close()
	}
	n.conns = nil
}

// hush keeps the connections open and passes nothing on, until it is mended. Then those connections are dead.
func (n *network) hush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = make(chan struct{})
}

func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
	if n.silent != nil {
		close(n.silent)
		n.silent = nil
	}
}

// silenced is a connection of a network. What is written while it is silent is swallowed, and what comes is kept back.
type silenced struct {
	net.Conn
	network *network
}

func (s *silenced) silence() chan struct{} {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	return s.network.silent
}

func (s *silenced) Write(b []byte) (int, error) {
	if s.silence() != nil {
		return len(b), nil
	}
	return s.Conn.Write(b)
}

func (s *silenced) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if silence := s.silence(); silence != nil && err == nil {
		<-silence
		return 0, net.ErrClosed
	}
	return n, err
}

// TestOutage publishes while the cluster cannot be reached: calls fail in bounded time, and afterwards what was not confirmed is published
// again without a gap or a change of order.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*network){"cut": (*network).cut, "silent": (*network).hush} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds, prefix := cluster(t), unique()
			var broken network
			broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix), kafka.Timeout(2*time.Second), kafka.Dialer(broken.dial)))
			t.Cleanup(broken.mend)
			declare(t, broker, "billing")
			publish(t, broker, numbered(0, 10)...)
			begin(&broken)
			waiting := numbered(10, 20)
			for range 2 { // the second call waits for what became of the first one's
				began := time.Now()
				err := broker.Publish(t.Context(), "orders", waiting)
				failed, ok := errors.AsType[*carillon.PublishError](err)
				if !ok || !errors.Is(err, carillon.ErrUnavailable) || len(failed.Unconfirmed) != len(waiting) {
					t.Fatalf("publishing gives error %v, it is to be ErrUnavailable for all", err)
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("it took %v to fail", took)
				}
			}
			broken.mend()
			processes.AwaitFor(t, "publishing succeeds again", traffic.Patience, func() bool { return broker.Publish(t.Context(), "orders", waiting) == nil })
			publish(t, broker, numbered(20, 21)...)
			joined := subscribe(t, traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix))), carillon.SubscribeOptions{})
			var got []string
			for !slices.Contains(got, "m20") {
				deliveries := receive(t, joined, 1)
				if id := deliveries[0].Message.ID; !slices.Contains(got, id) { // as an inbox does
					got = append(got, id)
				}
				if err := joined.Ack(t.Context(), deliveries); err != nil {
					t.Fatal(err)
				}
			}
			var want []string
			for _, m := range numbered(0, 21) {
				want = append(want, m.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestConsumerCutOff cuts a consumer off that holds deliveries: it is told that they are lost, another gets them, and what the first settles
// once it is back changes nothing.
func TestConsumerCutOff(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*network){"cut": (*network).cut, "silent": (*network).hush} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds, prefix := cluster(t), unique()
			var broken network
			options := carillon.SubscribeOptions{AckDeadline: time.Second}
			away := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix), kafka.Timeout(2*time.Second), kafka.Dialer(broken.dial)))
			t.Cleanup(broken.mend)
			declare(t, away, "billing")
			publish(t, away, numbered(0, 5)...)
			first := subscribe(t, away, options)
			held := receive(t, first, 5)
			begin(&broken)
			there := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
			second := subscribe(t, there, options)
			again := receive(t, second, 5)
			if diff := cmp.Diff(ids(held), ids(again)); diff != "" {
				t.Error(diff)
			}
			unavailable, stop := context.WithTimeout(t.Context(), 30*time.Second)
			defer stop()
			for {
				_, err := first.Receive(unavailable, 1)
				if errors.Is(err, carillon.ErrUnavailable) {
					break
				}
				if err != nil {
					t.Fatalf("receiving while cut off gives error %v, it is to be ErrUnavailable", err)
				}
			}
			for i := range held {
				select {
				case <-held[i].Lost:
				case <-unavailable.Done():
					t.Fatal("nobody told that the deliveries are lost")
				}
			}
			broken.mend()
			if err := first.Ack(t.Context(), held); err != nil {
				t.Errorf("settling what is lost gives error %v", err)
			}
			if err := first.Close(); err != nil {
				t.Errorf("closing afterwards gives error %v", err)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
			third := subscribe(t, there, options)
			if diff := cmp.Diff(ids(held), ids(receive(t, third, 5))); diff != "" {
				t.Errorf("what nobody settled who had it: %s", diff)
			}
		})
	}
}
