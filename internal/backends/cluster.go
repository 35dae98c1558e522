//go:build unix

package backends

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// clusterPatience is how long a cluster has to start.
const clusterPatience = 60 * time.Second

// Cluster is a PostgreSQL server of one test, with durability as in production, that can be killed. Its methods are safe for concurrent
// use.
type Cluster struct {
	// URL is that of its database, as superuser. It stays the same across restarts.
	URL string

	t         testing.TB
	directory string
	as        *syscall.SysProcAttr

	mu     sync.Mutex
	server *exec.Cmd
	ended  chan struct{}
}

// StartCluster makes a cluster and returns once it serves; it ends with the test. Settings are lines of postgresql.conf. Where the programs
// are not to be had the test is skipped, or fails when backends are required.
func StartCluster(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	binaries := Variable(t, PostgresBinaries)
	directory, err := os.MkdirTemp("", "carillon-cluster-") //nolint:usetesting // others may not enter the test's own
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, directory: directory, as: &syscall.SysProcAttr{}}
	t.Cleanup(func() {
		c.Kill()
		if err := os.RemoveAll(directory); err != nil {
			t.Error(err)
		}
	})
	if name := os.Getenv("CARILLON_TEST_PGUSER"); name != "" {
		c.become(name)
	}
	initialise := exec.CommandContext(t.Context(), filepath.Join(binaries, "initdb"), "--no-sync", "--auth=trust", "--username=carillon",
		"--encoding=UTF8", "--locale=C", "-D", c.data())
	initialise.Dir, initialise.SysProcAttr = directory, c.as
	if said, err := initialise.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, said)
	}
	port := reservePort(t)
	c.URL = fmt.Sprintf("postgres://carillon@127.0.0.1:%d/postgres?sslmode=disable", port)
	lines := append([]string{
		"listen_addresses = '127.0.0.1'", fmt.Sprintf("port = %d", port), fmt.Sprintf("unix_socket_directories = '%s'", directory),
		"max_connections = 100", "fsync = on", "synchronous_commit = on",
	}, settings...)
	configuration, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer configuration.Close()
	if _, err := configuration.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.start(t.Context(), filepath.Join(binaries, "postgres")); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *Cluster) data() string { return filepath.Join(c.directory, "data") }

// become has the cluster's programs run as another user of the system.
func (c *Cluster) become(name string) {
	c.t.Helper()
	who, err := user.Lookup(name)
	if err != nil {
		c.t.Fatal(err)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	gid, failure := strconv.ParseUint(who.Gid, 10, 32)
	if err := errors.Join(err, failure, os.Chown(c.directory, int(uid), int(gid))); err != nil {
		c.t.Fatal(err)
	}
	c.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// start returns once the server answers. What is left of one that was killed may be in its way for a moment.
func (c *Cluster) start(ctx context.Context, program string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	said, err := os.OpenFile(filepath.Join(c.directory, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	for deadline := time.Now().Add(clusterPatience); ; {
		c.server = exec.CommandContext(context.WithoutCancel(ctx), program, "-D", c.data())
		c.server.Dir, c.server.SysProcAttr, c.server.Stdout, c.server.Stderr = c.directory, c.as, said, said
		if err := c.server.Start(); err != nil {
			return err
		}
		server, ended := c.server, make(chan struct{})
		c.ended = ended
		go func() {
			defer close(ended)
			_ = server.Wait()
		}()
		if c.answers(ctx, deadline) {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("PostgreSQL did not start:\n%s", c.log())
		}
	}
}

// answers waits until the server accepts connections; false when it ended.
func (c *Cluster) answers(ctx context.Context, deadline time.Time) bool {
	for time.Now().Before(deadline) {
		conn, err := pgx.Connect(ctx, c.URL)
		if err == nil {
			return conn.Close(ctx) == nil
		}
		select {
		case <-c.ended:
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

func (c *Cluster) log() string {
	text, err := os.ReadFile(filepath.Join(c.directory, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// Kill is kill -9 of the server and all its processes.
func (c *Cluster) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil || c.server.Process == nil {
		return
	}
	parent := c.server.Process.Pid
	_ = syscall.Kill(parent, syscall.SIGSTOP) // it starts no more
	children := childrenOf(parent)
	_ = syscall.Kill(parent, syscall.SIGKILL)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	<-c.ended
}

// Restart starts the server again, with the data it had, and returns once it serves.
func (c *Cluster) Restart(ctx context.Context) error {
	return c.start(ctx, c.server.Path)
}

// KillProcess is kill -9 of one process of the server that serves a worker, if there is one. PostgreSQL then ends all the others and
// recovers.
func (c *Cluster) KillProcess(ctx context.Context) (killed bool, err error) {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for crashed := false; !crashed; { // the process may have been about to end
		pid := 0
		err := conn.QueryRow(ctx, "SELECT pid FROM pg_stat_activity WHERE application_name = 'carillon' ORDER BY random() LIMIT 1").Scan(&pid)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
		for looks := 0; looks < 50 && !crashed; looks++ {
			crashed = conn.Ping(ctx) != nil
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return false, nil
			}
		}
	}
	if !c.answers(ctx, time.Now().Add(clusterPatience)) {
		return false, fmt.Errorf("PostgreSQL did not recover:\n%s", c.log())
	}
	return true, nil
}

// childrenOf lists the processes that a process started.
func childrenOf(parent int) []int {
	listed, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil
	}
	var children []int
	for line := range bytes.Lines(listed) {
		var pid, of int
		if _, err := fmt.Sscan(string(line), &pid, &of); err == nil && of == parent {
			children = append(children, pid)
		}
	}
	return children
}
