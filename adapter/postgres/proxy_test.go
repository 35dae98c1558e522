package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// fault is what a proxy does to the request that it is set for.
type fault int

const (
	dropAnswer  fault = iota // the server gets the request, and the client's connection breaks in place of the answer
	dropRequest              // the client's connection breaks, and the server gets nothing
	dropHalf                 // the server gets one half of the request, and both connections break
	holdRequest              // the client's connection breaks; the server gets the request when the test says so
)

// proxy stands between clients and a server and breaks one connection each time it is set.
type proxy struct {
	t        testing.TB
	listener net.Listener
	server   string
	serving  sync.WaitGroup

	mu     sync.Mutex
	marker []byte // in the request that breaks the connection
	fault  fault
	late   *late
	open   map[net.Conn]bool
}

// late is a request that its client has given up.
type late struct {
	request []byte
	server  net.Conn
}

// newProxy listens for clients of the database at a URL, and returns the URL at which they find it.
func newProxy(t testing.TB, database string) (*proxy, string) {
	t.Helper()
	location, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: listener, server: location.Host, open: make(map[net.Conn]bool)}
	p.serving.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for conn := range p.open {
			_ = conn.Close()
		}
		p.mu.Unlock()
		p.serving.Wait()
	})
	location.Host = listener.Addr().String()
	return p, location.String()
}

// breakAt sets the proxy for the next request that contains a marker.
func (p *proxy) breakAt(marker string, fault fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker, p.fault = []byte(marker), fault
}

// struck reports whether a request is the one the proxy is set for, once.
func (p *proxy) struck(request []byte) (fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marker == nil || !bytes.Contains(request, p.marker) {
		return 0, false
	}
	p.marker = nil
	return p.fault, true
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			p.t.Error(err)
			_ = client.Close()
			return
		}
		p.mu.Lock()
		p.open[client], p.open[server] = true, true
		p.mu.Unlock()
		p.serving.Go(func() { p.serve(client, server) })
	}
}

// serve passes on what both say until one of them ends, or the fault comes.
func (p *proxy) serve(client, server net.Conn) {
	answered := make(chan struct{})
	struck := false
	go func() {
		defer close(answered)
		_, _ = io.Copy(client, server)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !struck { // else the client is told when it is time
			_ = client.Close()
		}
	}()
	buffer := make([]byte, 64<<10)
	for first := true; ; first = false {
		n, err := client.Read(buffer)
		request := buffer[:n]
		if first && isCancel(request) { // sent for a connection that broke: it would come at any time
			_, _ = client.Close(), server.Close()
			<-answered
			return
		}
		if fault, now := p.struck(request); now {
			p.mu.Lock()
			struck = true
			p.mu.Unlock()
			_ = server.SetReadDeadline(time.Now()) // answers go nowhere from here on
			<-answered
			_ = server.SetReadDeadline(time.Time{})
			p.fail(fault, request, server)
			_ = client.Close()
			return
		}
		if _, failure := server.Write(request); errors.Join(err, failure) != nil {
			_ = server.Close()
			<-answered
			return
		}
	}
}

// isCancel reports whether what a client says first asks the server to cancel what another connection of its is doing.
func isCancel(request []byte) bool {
	return len(request) >= 8 && binary.BigEndian.Uint32(request[4:]) == 80877102
}

// fail does to a request what the fault says, before the client finds its connection broken.
func (p *proxy) fail(fault fault, request []byte, server net.Conn) {
	switch fault {
	case dropAnswer:
		_, _ = server.Write(request)
		_, _ = server.Read(make([]byte, 64<<10))
	case dropHalf:
		_, _ = server.Write(request[:len(request)/2])
	case holdRequest:
		p.mu.Lock()
		p.late = &late{request: bytes.Clone(request), server: server}
		p.mu.Unlock()
		return // its connection stays open
	case dropRequest:
	}
	_ = server.Close()
}

// deliver passes the request that was held back on to the server, and returns the answer.
func (p *proxy) deliver(t testing.TB) []byte {
	t.Helper()
	p.mu.Lock()
	late := p.late
	p.late = nil
	p.mu.Unlock()
	if late == nil {
		t.Fatal("no request is held back")
	}
	defer late.server.Close()
	if _, err := late.server.Write(late.request); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64<<10)
	if err := late.server.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := late.server.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	return answer[:n]
}

// cut breaks all connections, and refuses new ones.
func (p *proxy) cut() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close()
	}
}
