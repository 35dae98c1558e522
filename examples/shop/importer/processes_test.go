package importer_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/backends"
)

// schemaPrefix marks a store that is a schema of the tests' PostgreSQL.
const schemaPrefix = "schema:"

// TestProcessesShareAStore has three processes import a third of the invoices each, into one store at the same time, while a fourth
// reads along: it skips nothing, and events and read models are those of one process that imported everything.
func TestProcessesShareAStore(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	file := generated(t)
	want := undisturbed(t, file)
	schema := backends.Schema(t, url)
	source := postgres.URL(url, postgres.Schema(schema))
	store, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})

	following, stop := context.WithCancel(t.Context())
	defer stop()
	tailed := make(chan carillon.Position)
	go func() { tailed <- tail(following, t, store.Log()) }()
	var importing sync.WaitGroup
	for _, third := range thirds(t, file) {
		importing.Go(func() {
			command := exec.CommandContext(t.Context(), os.Args[0], schemaPrefix+schema, third)
			command.Env = append(os.Environ(), taskVariable+"=import")
			command.Stderr = t.Output()
			if err := command.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	importing.Wait()
	head, err := store.Log().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := eventlog.New(store.Log())
	for batch, err := range log.Follow(t.Context(), head, eventlog.StopAtHead()) {
		if err != nil || len(batch.Entries) > 0 {
			t.Fatalf("the imports have ended and %d events come, error %v", len(batch.Entries), err)
		}
	}
	stop()
	if seen := <-tailed; seen > head {
		t.Errorf("the reader saw %d events, the log has %d", seen, head)
	}
	if got := contentIn(t, source); !got.equal(want) {
		t.Errorf("three processes came to something else than one (-one +three):\n%s", cmp.Diff(want.rows, got.rows))
	}
}

// tail follows a log and returns how far it came without a hole.
func tail(ctx context.Context, t *testing.T, port carillon.Log) carillon.Position {
	t.Helper()
	var last carillon.Position
	for batch, err := range eventlog.New(port).Follow(ctx, 0) {
		if err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		for i := range batch.Entries {
			if at := batch.Entries[i].Position; at != last+1 {
				t.Errorf("position %d came after %d", at, last)
			}
			last = batch.Entries[i].Position
		}
	}
	return last
}

// thirds splits a retail file by invoice.
func thirds(t *testing.T, file string) []string {
	t.Helper()
	lines, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	parts := make([]strings.Builder, 3)
	invoices := make(map[string]int)
	scanner := bufio.NewScanner(lines)
	for first := true; scanner.Scan(); first = false {
		line := scanner.Text()
		invoice, _, _ := strings.Cut(line, ",")
		part, ok := invoices[invoice]
		if !ok && !first {
			part = len(invoices) % len(parts)
			invoices[invoice] = part
		}
		for i := range parts {
			if first || i == part {
				fmt.Fprintln(&parts[i], line)
			}
		}
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	files := make([]string, len(parts))
	for i := range parts {
		files[i] = filepath.Join(t.TempDir(), fmt.Sprintf("part%d.csv", i))
		if err := os.WriteFile(files[i], []byte(parts[i].String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
