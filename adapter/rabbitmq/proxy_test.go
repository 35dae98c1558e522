package rabbitmq_test

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a client and the server.
type proxy struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	conns  []net.Conn
	frozen chan struct{} // closed unless nothing passes
}

// newProxy returns a proxy and the server's URL through it.
func newProxy(t testing.TB) (*proxy, string) {
	t.Helper()
	at, err := url.Parse(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: at.Host, frozen: make(chan struct{})}
	close(p.frozen)
	at.Host = listener.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.thaw()
		p.cut()
		serving.Wait()
	})
	return p, at.String()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	var copying sync.WaitGroup
	copying.Go(func() { p.pass(client, server) })
	copying.Go(func() { p.pass(server, client) })
	copying.Wait()
}

func (p *proxy) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		frozen := p.frozen
		p.mu.Unlock()
		<-frozen
		if _, writing := to.Write(buffer[:n]); writing != nil || err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

// freeze lets nothing pass any more, in either direction.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = make(chan struct{})
}

// thaw lets everything pass again, unless it does.
func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.frozen:
	default:
		close(p.frozen)
	}
}
