//go:build unix

package processes

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a worker. One goroutine at a time hears it; the other methods are safe for concurrent use.
type Process struct {
	command *exec.Cmd
	stdin   io.Closer
	lines   chan string // what it says; closed when it ends
	ended   chan struct{}
	err     error        // how it ended
	said    bytes.Buffer // on standard error, whole when it has ended
}

// Launch starts a worker with a job in an environment variable, as JSON, where [Main] finds it. It is killed when the test ends at the
// latest.
func Launch(t testing.TB, variable string, job any) (*Process, error) {
	t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), variable+"="+string(text))
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &Process{command: command, stdin: stdin, lines: make(chan string, 4096), ended: make(chan struct{})}
	command.Stderr = io.MultiWriter(&p.said, t.Output())
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.lines <- lines.Text()
		}
		p.err = command.Wait()
		close(p.lines)
	}()
	t.Cleanup(p.Kill)
	return p, nil
}

// Start is [Launch] for tests that end when it fails.
func Start(t testing.TB, variable string, job any) *Process {
	t.Helper()
	p, err := Launch(t, variable, job)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Say tells the parent a line.
func Say(line string) { _, _ = fmt.Fprintln(os.Stdout, line) }

// Hear returns the rest of the next line that begins with a prefix, and passes over others.
func (p *Process) Hear(t testing.TB, prefix string) string {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	for {
		select {
		case line, ok := <-p.lines:
			if text, found := strings.CutPrefix(line, prefix); found {
				return text
			}
			if !ok {
				t.Fatalf("the process ended without %q: %v", prefix, p.err)
			}
		case <-limit.C:
			t.Fatalf("the process did not say %q", prefix)
		}
	}
}

// ID is the process's id.
func (p *Process) ID() int { return p.command.Process.Pid }

// Ended is closed when the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Wait waits until the process is gone and returns how it ended.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// Said waits until the process is gone and returns what it wrote to standard error.
func (p *Process) Said() string {
	<-p.ended
	return p.said.String()
}

// Kill is kill -9; it returns when the process is gone.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Stop asks the process to shut down, by the end of its input, and returns how it ended.
func (p *Process) Stop() error {
	_ = p.stdin.Close() // the process may be gone already
	select {
	case <-p.ended:
		return p.err
	case <-time.After(Patience):
		p.Kill()
		return errors.New("the process did not shut down")
	}
}

// Signal sends a signal.
func (p *Process) Signal(signal os.Signal) error { return p.command.Process.Signal(signal) }

// Killed waits until the process is gone and reports whether it ended by kill -9.
func (p *Process) Killed() bool {
	<-p.ended
	failure, ok := errors.AsType[*exec.ExitError](p.err)
	if !ok {
		return false
	}
	status, ok := failure.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
