package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/eventlog"
)

// appendEvents appends notes number first to last-1, all to one stream, every other with another tag.
func appendEvents(t *testing.T, log carillon.Log, first, last int) {
	t.Helper()
	events := make([]carillon.Message, 0, last-first)
	for n := first; n < last; n++ {
		events = append(events, carillon.Message{
			Type: "noted", ID: fmt.Sprintf("note-%d", n), Payload: []byte(fmt.Sprintf(`{"n":%d}`, n)),
			Tags: []carillon.Tag{carillon.NewTag("half", fmt.Sprint(n%2))},
		})
	}
	_, err := eventlog.New(log).Append(t.Context(), carillon.Append{Stream: "notes-1", Expect: carillon.AnyVersion(), Events: events})
	if err != nil {
		t.Fatal(err)
	}
}

// tailing is a tail that runs beside the test.
type tailing struct {
	lines  *bufio.Scanner
	stop   context.CancelFunc
	status chan int
	stderr strings.Builder
}

func startTail(t *testing.T, args ...string) *tailing {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	tail := &tailing{lines: bufio.NewScanner(read), stop: stop, status: make(chan int, 1)}
	go func() {
		status := Run(ctx, append([]string{"log", "tail", "--json"}, args...), strings.NewReader(""), write, &tail.stderr)
		_ = write.Close() // never fails
		tail.status <- status
	}()
	t.Cleanup(func() {
		stop()
		_ = read.Close() // never fails
	})
	return tail
}

// next waits for the next event and returns its number.
func (tail *tailing) next(t *testing.T) int {
	t.Helper()
	if !tail.lines.Scan() {
		t.Fatalf("the tail ended with exit %d: %s", <-tail.status, tail.stderr.String())
	}
	var event struct{ Payload struct{ N int } }
	if err := json.Unmarshal(tail.lines.Bytes(), &event); err != nil {
		t.Fatal(err)
	}
	return event.Payload.N
}

func TestTailFollowsBesideTheWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	store, err := sqlite.File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	appendEvents(t, store.Log(), 0, 10)

	fromStart := startTail(t, "--store", path, "--from", "start")
	behind := startTail(t, "--store", path, "--after", "8", "--tag", "half:0")
	for want := range 10 {
		if got := fromStart.next(t); got != want {
			t.Fatalf("from the start: event %d, want %d", got, want)
		}
	}
	if got := behind.next(t); got != 8 {
		t.Fatalf("behind position 8: event %d, want 8", got)
	}

	// Live: appended while the tails follow, in several steps.
	for from := 10; from < 40; from += 10 {
		appendEvents(t, store.Log(), from, from+10)
		for want := from; want < from+10; want++ {
			if got := fromStart.next(t); got != want {
				t.Fatalf("live: event %d, want %d", got, want)
			}
		}
		for want := from; want < from+10; want += 2 {
			if got := behind.next(t); got != want {
				t.Fatalf("live with a filter: event %d, want %d", got, want)
			}
		}
	}
	for _, tail := range []*tailing{fromStart, behind} {
		tail.stop()
		if status := <-tail.status; status != StatusOK || tail.stderr.Len() > 0 {
			t.Errorf("interrupted: exit %d, %q", status, tail.stderr.String())
		}
	}
}

func TestTailBeginsAtTheHeadAndEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	store, err := sqlite.File(path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const old = 5
	appendEvents(t, store.Log(), 0, old)
	tail := startTail(t, "--store", path, "--limit", "1")
	// The tail does not say when it has found the head, so there are new events until it has seen one.
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	seen := make(chan string, 1)
	go func() {
		tail.lines.Scan()
		seen <- tail.lines.Text()
	}()
	for n := old; ; n++ {
		select {
		case <-ticker.C:
			appendEvents(t, store.Log(), n, n+1)
		case line := <-seen:
			var event struct{ Position int }
			if err := json.Unmarshal([]byte(line), &event); err != nil || event.Position <= old {
				t.Errorf("the first line is %q (%v), want an event behind position %d", line, err, old)
			}
			if status := <-tail.status; status != StatusOK {
				t.Errorf("exit %d: %s", status, tail.stderr.String())
			}
			return
		}
	}
}
