package inprocess_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream/inprocess"
	"github.com/carillon-go/carillon/conformance"
)

// heldDirectory tells a child of the test which directory to hold.
const heldDirectory = "CARILLON_TEST_HELD_DIRECTORY"

func TestMain(m *testing.M) {
	if path := os.Getenv(heldDirectory); path != "" {
		os.Exit(hold(path))
	}
	if path := os.Getenv(servedDirectory); path != "" {
		os.Exit(serveUntilKilled(path))
	}
	goleak.VerifyTestMain(m)
}

// hold publishes a message and keeps the directory until it is killed.
func hold(path string) int {
	b, err := inprocess.Directory(path).OpenBroker(context.Background())
	if err == nil {
		err = b.Declare(context.Background(), carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}})
	}
	if err == nil {
		err = b.Publish(context.Background(), "orders", []carillon.Message{{ID: "1", Type: "a", Key: "k"}})
	}
	if err != nil {
		fmt.Print(err)
		return 1
	}
	fmt.Println("held")
	select {}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Broker(t, func(t testing.TB) carillon.BrokerOpener { return inprocess.Directory(t.TempDir()) })
}

func open(t testing.TB, path string, options ...inprocess.Option) carillon.Broker {
	t.Helper()
	b, err := inprocess.Directory(path, options...).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// TestInUse has a second broker refused, until the first is closed.
func TestInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "broker")
	b := open(t, path)
	if _, err := inprocess.Directory(path).OpenBroker(t.Context()); !errors.Is(err, carillon.ErrInUse) {
		t.Errorf("a second broker of the same directory: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

// TestKilled kills a process that has the directory: meanwhile others are refused, and afterwards what was confirmed is there.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), heldDirectory+"="+path)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 200)
	n, err := output.Read(said)
	if err != nil || !bytes.Equal(said[:n], []byte("held\n")) {
		t.Fatalf("the other process says %q, %v", said[:n], err)
	}
	if _, err := inprocess.Directory(path).OpenBroker(t.Context()); !errors.Is(err, carillon.ErrInUse) {
		t.Errorf("while another process has the directory: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	expect(t, open(t, path), "1")
}

// TestDirectoryGone begins anew when the directory is deleted.
func TestDirectoryGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "broker")
	topic := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}}
	for _, id := range []string{"1", "2"} {
		b := open(t, path)
		if err := b.Declare(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), topic.Name, []carillon.Message{{ID: id, Type: "a", Key: "k"}}); err != nil {
			t.Fatal(err)
		}
		expect(t, b, id)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t testing.TB, b carillon.Broker, id string) {
	t.Helper()
	s, err := b.Subscribe(t.Context(), "orders", "billing", carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := s.Receive(ctx, 10)
	if err != nil || len(got) != 1 || got[0].Message.ID != id {
		t.Fatalf("received %v, %v; want message %s", got, err, id)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLoss names what may be lost.
func TestLoss(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir(), inprocess.FlushedLater())
	if can := b.Capabilities(); len(can.Losses) != 1 || !strings.Contains(can.Losses[0], "power loss") || can.Confirm != carillon.ConfirmedBySystem {
		t.Errorf("a server that flushes later claims %+v", can)
	}
}

// TestBroken reports a directory that is a file.
func TestBroken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := inprocess.Directory(path).OpenBroker(t.Context()); err == nil {
		t.Error("a file was taken for a directory")
	}
	path = t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := inprocess.Directory(path, inprocess.Timeout(5*time.Second)).OpenBroker(t.Context()); err == nil {
		t.Error("a file was taken for the server's directory")
	}
}
