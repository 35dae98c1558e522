//go:build unix

package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

func TestAnInterruptedImportGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	content, totals := generate(t, 200)
	half := bytes.LastIndexByte(content[:len(content)/2], '\n') + 1
	pipe := filepath.Join(directory, "retail.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}

	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout, stderr bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- Run(ctx, demoArgs(directory, pipe, "--json"), strings.NewReader(""), &stdout, &stderr)
	}()

	// The first half comes, the import stands in the middle, and is interrupted there.
	source, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Write(content[:half]); err != nil {
		t.Fatal(err)
	}
	awaitEvents(t, filepath.Join(directory, storeName))
	interrupt()
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-status; code != StatusFailure || stdout.Len() > 0 {
		t.Fatalf("exit %d, %q, %q", code, stdout.String(), stderr.String())
	}
	kept := strings.Count(mustRun(t, "log", "read", "--store", filepath.Join(directory, storeName)), "\n")
	want := fmt.Sprintf("carillon: import of retail.csv: interrupted: what was read stays in %s, %d events: run it again, it goes on where it was\n", directory, kept)
	if !strings.HasSuffix(stderr.String(), "\n"+want) {
		t.Errorf("standard error is %q, want %q", stderr.String(), want)
	}

	file := writeFile(t, filepath.Join(directory, "whole.csv"), content)
	s := lastLine(t, mustRun(t, demoArgs(directory, file, "--exit", "--json")...))
	if diff := cmp.Diff(expected(totals, 0, kept), timeless(s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// awaitEvents waits until another reader of a store sees events in it.
func awaitEvents(t *testing.T, path string) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for range ticker.C {
		head := carillon.Position(0)
		err := with(t.Context(), sqlite.ReadOnly(path), func(store carillon.Store) (err error) {
			head, err = store.Log().Head(t.Context())
			return err
		})
		if err == nil && head > 0 {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}
