package redisstream_test

import (
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/traffic"
)

// server is one that a test has to itself.
type server struct {
	program   string
	arguments []string
	url       string
	client    *redis.Client
	command   *exec.Cmd
}

// newServer starts a server that flushes every write, unless its arguments say otherwise.
func newServer(t testing.TB, arguments ...string) *server {
	t.Helper()
	program := backends.Variable(t, backends.RedisServer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := &server{program: program, url: fmt.Sprintf("redis://127.0.0.1:%s/0", port)}
	s.arguments = append([]string{
		"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "always",
	}, arguments...)
	s.client = client(t, s.url)
	s.start(t)
	t.Cleanup(func() { s.kill(t) })
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.command = exec.Command(s.program, s.arguments...)
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); s.client.Ping(t.Context()).Err() != nil; {
		if time.Since(began) > traffic.Patience {
			t.Fatal("the server does not answer")
		}
	}
}

func (s *server) kill(t testing.TB) {
	t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.command.Wait() // it says that it was killed
}

func (s *server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}
