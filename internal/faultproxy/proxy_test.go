package faultproxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/internal/faultproxy"
)

// between returns a proxy before a server that sends back whatever it is sent.
func between(t *testing.T) *faultproxy.Proxy {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return proxy(t, listener.Addr().String())
}

func proxy(t testing.TB, server string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Listen(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func dial(t *testing.T, p *faultproxy.Proxy) net.Conn {
	t.Helper()
	conn, err := p.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a text and waits for its echo, as long as it may take.
func ask(conn net.Conn, text string, patience time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	answer := make([]byte, len(text))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if string(answer) != text {
		return errors.New("the answer is not what was sent")
	}
	return nil
}

const patience = 10 * time.Second

// TestFaults has each fault strike a connection that is there and one that is made while it lasts, and heals it.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault    faultproxy.Fault
		want     error // what the client finds within a short time, nil for the answer
		survives bool  // the connection goes on afterwards
	}{
		{faultproxy.Fault{}, nil, true},
		{faultproxy.Delay(10 * time.Millisecond), nil, true},
		{faultproxy.Slow(10_000), nil, true},
		{faultproxy.Cut(), io.EOF, false},
		{faultproxy.Reset(), syscall.ECONNRESET, false},
		{faultproxy.HalfOpen(), os.ErrDeadlineExceeded, false},
		{faultproxy.OneWay(faultproxy.ToServer), os.ErrDeadlineExceeded, true},
		{faultproxy.OneWay(faultproxy.ToClient), os.ErrDeadlineExceeded, true},
	}
	for _, test := range tests {
		t.Run(test.fault.String(), func(t *testing.T) {
			t.Parallel()
			p := between(t)
			old := dial(t, p)
			if err := ask(old, "before", patience); err != nil {
				t.Fatal(err)
			}
			p.Set(test.fault)
			wait := patience
			if errors.Is(test.want, os.ErrDeadlineExceeded) {
				wait = 200 * time.Millisecond
			}
			errs := map[string]error{"old": ask(old, "meanwhile", wait)}
			made, err := p.Dial(t.Context(), "", "")
			if err == nil {
				err = ask(made, "meanwhile", wait)
				_ = made.Close()
			}
			errs["new"] = err
			for name, err := range errs {
				brokenPipe := errors.Is(err, syscall.EPIPE) && !test.survives && test.want != nil // as a writer finds it
				reset := errors.Is(err, syscall.ECONNRESET) && errors.Is(test.want, io.EOF)
				if !errors.Is(err, test.want) && !brokenPipe && !reset {
					t.Errorf("the %s connection has error %v, want %v", name, err, test.want)
				}
			}
			p.Heal()
			if err := ask(dial(t, p), "afterwards", patience); err != nil {
				t.Errorf("a connection made afterwards has error %v", err)
			}
			if test.want == nil {
				if err := ask(old, "afterwards", patience); err != nil {
					t.Errorf("the old connection has error %v", err)
				}
				return
			}
			answer, err := rest(old)
			if test.survives && (err != nil || answer != "meanwhile") {
				t.Errorf("of what was under way comes %q, %v", answer, err)
			}
			if !test.survives && (err == nil || answer != "") {
				t.Errorf("a connection that is dead says %q", answer)
			}
		})
	}
}

// rest reads what a connection was asked before.
func rest(conn net.Conn) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	answer := make([]byte, len("meanwhile"))
	n, err := io.ReadFull(conn, answer)
	return string(answer[:n]), err
}

// TestPace measures what delay and slowness cost.
func TestPace(t *testing.T) {
	t.Parallel()
	p := between(t)
	conn := dial(t, p)
	for _, test := range []struct {
		fault faultproxy.Fault
		text  string
		least time.Duration
	}{
		{faultproxy.Delay(100 * time.Millisecond), "a", 200 * time.Millisecond},
		{faultproxy.Slow(10_000), string(bytes.Repeat([]byte("a"), 3000)), 300 * time.Millisecond},
	} {
		p.Set(test.fault)
		began := time.Now()
		if err := ask(conn, test.text, patience); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < test.least {
			t.Errorf("%s: it took %v, want %v at least", test.fault, took, test.least)
		}
	}
}

// TestClosed ends a proxy with connections under each fault: nobody is left waiting.
func TestClosed(t *testing.T) {
	t.Parallel()
	for _, fault := range []faultproxy.Fault{{}, faultproxy.HalfOpen(), faultproxy.OneWay(faultproxy.ToClient), faultproxy.Slow(1)} {
		p := between(t)
		old := dial(t, p)
		if err := ask(old, "before", patience); err != nil {
			t.Fatal(err)
		}
		p.Set(fault)
		if _, err := io.WriteString(old, "meanwhile"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if p.Connections() != 0 {
			t.Errorf("%s: %d connections after the end", fault, p.Connections())
		}
		if _, err := p.Dial(context.WithoutCancel(t.Context()), "", ""); err == nil {
			t.Errorf("%s: it still listens", fault)
		}
	}
}
