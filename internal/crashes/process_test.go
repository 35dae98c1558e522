//go:build unix

package crashes_test

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

// process is a worker.
type process struct {
	command *exec.Cmd
	stdin   io.Closer
	lines   chan string // what it says; closed when it ends
	ended   chan struct{}
	err     error        // how it ended
	said    bytes.Buffer // on standard error, whole when it has ended
}

// launch starts a worker, which is killed when the test ends at the latest.
func launch(t testing.TB, j job) (*process, error) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), jobVariable+"="+string(text))
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{command: command, stdin: stdin, lines: make(chan string, 4096), ended: make(chan struct{})}
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
	t.Cleanup(p.kill)
	return p, nil
}

// start is launch for tests.
func start(t testing.TB, j job) *process {
	t.Helper()
	p, err := launch(t, j)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// say tells the parent a line.
func say(line string) { _, _ = fmt.Println(line) }

// hear returns the rest of the next line that begins with a prefix, and passes over others.
func (p *process) hear(t testing.TB, prefix string) string {
	t.Helper()
	limit := time.NewTimer(patience)
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

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	_ = p.signal(syscall.SIGKILL)
	<-p.ended
}

// stop asks the process to shut down and returns how it ended.
func (p *process) stop() error {
	_ = p.stdin.Close() // the process may be gone already
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		p.kill()
		return errors.New("the process did not shut down")
	}
}

func (p *process) signal(signal os.Signal) error { return p.command.Process.Signal(signal) }

// killed reports whether the process ended by kill -9.
func (p *process) killed() bool {
	<-p.ended
	failure, ok := errors.AsType[*exec.ExitError](p.err)
	if !ok {
		return false
	}
	status, ok := failure.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
