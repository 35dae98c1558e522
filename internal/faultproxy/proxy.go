// Package faultproxy stands between clients and a server, and does to their connections what networks do. It is for tests.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"
)

// Proxy passes on what clients and a server say, under a fault that may change at any time. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string
	serving  sync.WaitGroup

	mu      sync.Mutex
	fault   Fault
	changed chan struct{} // closed when the fault becomes another
	links   map[*link]struct{}
	closed  bool
}

// link is a client's connection and the one to the server that belongs to it.
type link struct {
	client, server net.Conn // no server where nothing reaches it
	gone           chan struct{}
	broken         bool // something of it was swallowed
}

// Listen listens for clients of the server at a host:port. Close it.
func Listen(server string) (*Proxy, error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, server: server, changed: make(chan struct{}), links: make(map[*link]struct{})}
	p.serving.Go(p.accept)
	return p, nil
}

// Before listens for clients of the server at a URL, and returns the URL at which they find it.
func Before(server string) (*Proxy, string, error) {
	at, err := url.Parse(server)
	if err != nil {
		return nil, "", fmt.Errorf("address of the server: %w", err)
	}
	p, err := Listen(at.Host)
	if err != nil {
		return nil, "", err
	}
	at.Host = p.Address()
	return p, at.String(), nil
}

// Address is the host:port that clients connect to.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Dial connects to the proxy in place of an address, for clients whose server tells them where to connect.
func (p *Proxy) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", p.Address())
}

// Set puts connections under a fault in place of the one there was.
func (p *Proxy) Set(fault Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
	close(p.changed)
	p.changed = make(chan struct{})
	for l := range p.links {
		if fault.refuse || l.broken {
			p.end(l, fault.reset)
		}
	}
}

// Heal ends the fault.
func (p *Proxy) Heal() { p.Set(Fault{}) }

// Break closes the connections there are, once.
func (p *Proxy) Break() {
	p.Set(Cut())
	p.Heal()
}

// Connections is how many clients are connected.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Close ends all connections, refuses new ones, and waits for what is under way. It may be called twice.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Set(Cut())
	p.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.serve(client) })
	}
}

// serve passes on what both sides say until one of them ends.
func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client, gone: make(chan struct{})}
	fault, _ := p.state()
	if !fault.swallow && !fault.refuse {
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.server)
		if err != nil {
			_ = client.Close()
			return
		}
		l.server = server
	}
	if !p.add(l) {
		return
	}
	defer p.drop(l)
	if l.server == nil {
		_, _ = io.Copy(io.Discard, l.client) // it ends with the fault
		return
	}
	p.serving.Go(func() { p.pass(l, l.server, l.client, ToClient) })
	p.pass(l, l.client, l.server, ToServer)
}

// add takes a new connection in, unless the fault forbids it.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[l] = struct{}{}
	if l.broken = l.server == nil; p.closed || p.fault.refuse || l.broken && !p.fault.swallow {
		p.end(l, p.fault.reset)
		return false
	}
	return true
}

// drop ends a connection of which one side has ended.
func (p *Proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(l, false)
}

// end closes both sides, once. The lock is held.
func (p *Proxy) end(l *link, reset bool) {
	if _, open := p.links[l]; !open {
		return
	}
	delete(p.links, l)
	close(l.gone)
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// state is the fault, and what says that it has become another.
func (p *Proxy) state() (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed
}

// pass passes on what one side sends.
func (p *Proxy) pass(l *link, from, to net.Conn, direction Direction) {
	defer p.drop(l)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		for left := buffer[:n]; len(left) > 0; {
			sent, ok := p.send(l, to, left, direction)
			if !ok {
				return
			}
			left = left[sent:]
		}
		if err != nil {
			return
		}
	}
}

// send does to a piece what the fault says, and returns how much of it is done with; false when the connection has ended.
func (p *Proxy) send(l *link, to net.Conn, piece []byte, direction Direction) (int, bool) {
	p.mu.Lock()
	fault, changed := p.fault, p.changed
	l.broken = l.broken || fault.swallow
	broken := l.broken
	p.mu.Unlock()
	switch {
	case broken:
		return len(piece), true
	case fault.stalled[direction]:
		select {
		case <-changed:
			return 0, true
		case <-l.gone:
			return 0, false
		}
	case fault.rate > 0:
		piece = piece[:min(len(piece), max(1, fault.rate/20))]
		if !l.wait(time.Second * time.Duration(len(piece)) / time.Duration(fault.rate)) {
			return 0, false
		}
	case fault.delay > 0:
		if !l.wait(fault.delay) {
			return 0, false
		}
	}
	n, err := to.Write(piece)
	return n, err == nil
}

// wait waits, and reports whether the connection is still there.
func (l *link) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.gone:
		return false
	}
}
