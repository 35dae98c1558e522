package jetstream_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// proxy stands between a client and a server.
type proxy struct {
	listener net.Listener
	server   string
	serving  sync.WaitGroup

	mu     sync.Mutex
	silent bool // takes everything and passes nothing on
	open   map[net.Conn]bool
}

func newProxy(t testing.TB, url string) (*proxy, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: strings.TrimPrefix(url, "nats://"), open: make(map[net.Conn]bool)}
	p.serving.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.serving.Wait()
	})
	return p, "nats://" + listener.Addr().String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = true, true
		p.mu.Unlock()
		p.serving.Go(func() { p.pass(client, server) })
		p.serving.Go(func() { p.pass(server, client) })
	}
}

func (p *proxy) pass(from, to net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		if n > 0 && !silent {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close()
	}
	clear(p.open)
}

// hush makes the proxy silent, or ends that; new connections are silent too.
func (p *proxy) hush(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

// TestCut breaks connections again and again while messages flow.
func TestCut(t *testing.T) {
	t.Parallel()
	p, url := newProxy(t, startServer(t, nil).ClientURL())
	b := open(t, url)
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 2})
	s := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})
	const each = 100
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := range each {
			persist(t.Context(), t, func() error {
				return b.Publish(t.Context(), "orders", []carillon.Message{message("a", n), message("b", n)})
			})
			if n%25 == 10 {
				p.cut()
			}
		}
	})
	next := map[string]int{}
	for next["a"]+next["b"] < 2*each {
		for _, d := range receive(t, s, 1) {
			if want := message(d.Message.Key, next[d.Message.Key]).ID; d.Message.ID != want {
				t.Fatalf("%s came in place of %s", d.Message.ID, want)
			}
			next[d.Message.Key]++
			if err := s.Ack(t.Context(), []carillon.Delivery{d}); err != nil && !errors.Is(err, carillon.ErrUnavailable) {
				t.Fatal(err)
			}
		}
	}
	publishing.Wait()
}

// TestSilence has the other side say nothing: publishers get an error in bounded time, what is unsettled is lost before others have
// it, and everything goes on afterwards.
func TestSilence(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil).ClientURL()
	p, through := newProxy(t, url)
	b := open(t, through, jetstream.Timeout(time.Second), jetstream.PingEvery(250*time.Millisecond))
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1})
	options := carillon.SubscribeOptions{AckDeadline: 2 * time.Second}
	s := subscribe(t, b, "orders", "billing", options)
	publish(t, b, "orders", message("a", 0))
	held := receive(t, s, 1)
	second := open(t, url)
	for backlog := (carillon.Backlog{}); backlog.Unsettled == 0; { // the other side knows
		var err error
		if backlog, err = second.(carillon.Prober).Probe(t.Context(), "orders", "billing"); err != nil {
			t.Fatal(err)
		}
	}
	p.hush(true)
	began := time.Now()
	err := b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)})
	if took := time.Since(began); !errors.Is(err, carillon.ErrUnavailable) || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	other := subscribe(t, second, "orders", "billing", options)
	got := receive(t, other, 1)
	select {
	case <-held[0].Lost:
	case <-time.After(10 * time.Second):
		t.Error("the delivery is not lost")
	}
	if got[0].Message.ID != "a-0" || got[0].Attempt != 2 {
		t.Errorf("%s is attempt %d", got[0].Message.ID, got[0].Attempt)
	}
	ack(t, other, got...)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	p.hush(false)
	p.cut()
	persist(t.Context(), t, func() error { return b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)}) })
	if want, got := "a-1", ids(receive(t, s, 1)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRestart stops the server and starts it again: readers and positions go on.
func TestRestart(t *testing.T) {
	t.Parallel()
	n := startServer(t, func(o *server.Options) { o.Port = freePort(t) })
	b := open(t, n.ClientURL(), jetstream.Timeout(2*time.Second))
	declare(t, b, carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}})
	s := subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})
	publish(t, b, "orders", message("a", 0))
	held := receive(t, s, 1)
	n.stop()
	if err := b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)}); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	if _, err := s.Receive(t.Context(), 1); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	n.start(t)
	persist(t.Context(), t, func() error { return b.Publish(t.Context(), "orders", []carillon.Message{message("a", 1)}) })
	got := receive(t, s, 1)
	if got[0].Message.ID != "a-1" {
		t.Errorf("%s came", got[0].Message.ID)
	}
	ack(t, s, append(held, got...)...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := try(t, subscribe(t, b, "orders", "billing", carillon.SubscribeOptions{})); len(got) > 0 {
		t.Errorf("%s came again", got[0].Message.ID)
	}
}
