package sqlite

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An acknowledgement means that the write-ahead log was flushed after the append was handed over: seen from outside, in the
// system calls of another process.
func TestFlushComesBeforeAcknowledgement(t *testing.T) {
	t.Parallel()
	if unflushed := unflushedAcknowledgements(t, "append"); unflushed != 0 {
		t.Errorf("%d of %d appends were acknowledged without a flush of the write-ahead log", unflushed, acknowledged)
	}
}

// The same watcher sees the difference when flushing is switched off.
func TestFlushIsMissedWhenSwitchedOff(t *testing.T) {
	t.Parallel()
	if unflushed := unflushedAcknowledgements(t, "append unflushed"); unflushed < acknowledged/2 {
		t.Errorf("with synchronous=OFF only %d of %d acknowledgements came without a flush: the watcher sees nothing", unflushed, acknowledged)
	}
}

// unflushedAcknowledgements counts acknowledgements with no flush of the write-ahead log since the one before.
func unflushedAcknowledgements(t *testing.T, task string) int {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("REQUIRE_BACKENDS") != "" {
			t.Fatal("strace is missing, and REQUIRE_BACKENDS asks for it")
		}
		t.Skip("strace is missing: install it to see flushes from outside")
	}
	directory := t.TempDir()
	trace := filepath.Join(directory, "trace")
	child := helper(t, task, filepath.Join(directory, "traced.db"))
	child.Args = append([]string{strace, "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-s", "64", "-o", trace, child.Path}, child.Args[1:]...)
	child.Path = strace
	if err := child.Run(); err != nil {
		t.Fatalf("strace: %v", err)
	}
	lines, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	unflushed, seen, flushed := 0, 0, false
	for line := range strings.Lines(string(lines)) {
		switch {
		case completedFlush(line):
			flushed = true
		case strings.Contains(line, "write(1") && strings.Contains(line, ackMark):
			seen++
			if !flushed {
				unflushed++
			}
			flushed = false
		}
	}
	if seen != acknowledged {
		t.Fatal(errors.New("the trace does not show every acknowledgement"), seen)
	}
	return unflushed
}

// completedFlush recognises the end of a successful flush of the write-ahead log, whether the call stands on one line or was
// interrupted by those of other threads.
func completedFlush(line string) bool {
	if !strings.HasSuffix(strings.TrimSpace(line), "= 0") {
		return false
	}
	resumed := strings.Contains(line, "fdatasync resumed") || strings.Contains(line, "fsync resumed")
	return resumed || strings.Contains(line, "sync(") && strings.Contains(line, "-wal>")
}
