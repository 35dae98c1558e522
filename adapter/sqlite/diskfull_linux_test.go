package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// smallFilesystem mounts an empty filesystem of a size and returns where. Its tests run alone: a program that another one starts has the
// files of this process open for a moment, and then a file that is removed still takes its room.
func smallFilesystem(t *testing.T, size string) string {
	t.Helper()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("REQUIRE_BACKENDS") != "" {
			t.Fatalf("mounting a small filesystem takes root, and REQUIRE_BACKENDS asks for it: %v", err)
		}
		t.Skipf("mounting a small filesystem takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	return mount
}

// A real filesystem of 8 MiB is filled to the brim, emptied of ballast, and filled again.
func TestRealFullDisk(t *testing.T) { //nolint:paralleltest // see smallFilesystem
	mount := smallFilesystem(t, "8m")
	ballast := filepath.Join(mount, "ballast")
	store, err := File(filepath.Join(mount, "log.db")).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := eventlog.New(store.Log())
	payload := []byte(`"` + strings.Repeat("x", 4000) + `"`)
	stored := 0
	for fill := range 5 {
		if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		for {
			e := event(fmt.Sprint("e", stored))
			e.Payload = payload
			_, err := log.Append(t.Context(), carillon.Append{Stream: "s", Expect: carillon.Exactly(int64(stored)), Events: []carillon.Message{e}})
			if errors.Is(err, carillon.ErrDiskFull) {
				break
			}
			if err != nil {
				t.Fatalf("fill %d, event %d: %v", fill, stored, err)
			}
			stored++
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	again := openFile(t, File(filepath.Join(mount, "log.db")))
	page, err := again.Log().Read(t.Context(), carillon.AllEvents(), 0, 1)
	if err != nil || int(page.Events[0].Position) != 1 {
		t.Fatalf("got %v, %v", page, err)
	}
	if head, err := again.Log().Head(t.Context()); err != nil || int(head) != stored {
		t.Errorf("%d appends were acknowledged, the log holds %d (%v)", stored, head, err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// The first opening makes the schema. Whatever room the disk has left, it says so or succeeds, and goes on from there once there
// is room.
func TestRealFullDiskDuringMigration(t *testing.T) { //nolint:paralleltest // see smallFilesystem
	mount := smallFilesystem(t, "1m")
	synctest.Test(t, func(t *testing.T) { // goose waits a second before it tries again
		ballast, file := filepath.Join(mount, "ballast"), filepath.Join(mount, "log.db")
		full := 0
		for pages := 0; ; pages++ {
			left := pages * os.Getpagesize()
			if err := os.WriteFile(ballast, make([]byte, 1<<20-left), 0o600); err != nil {
				t.Fatal(err)
			}
			store, err := File(file).Open(t.Context())
			if err != nil {
				if !errors.Is(err, carillon.ErrDiskFull) {
					t.Fatalf("open with %d bytes of room: %v, want %v", left, err, carillon.ErrDiskFull)
				}
				full++
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			fits := err == nil
			if !fits {
				if store, err = File(file).Open(t.Context()); err != nil {
					t.Fatalf("open with room again, after %d bytes: %v", left, err)
				}
			}
			if err := errors.Join(appendOne(t.Context(), store.Log(), "s", "e"), integrity(store.(*Store)), store.Close()); err != nil {
				t.Fatalf("after %d bytes of room: %v", left, err)
			}
			if fits {
				break
			}
			files, err := filepath.Glob(file + "*")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range files {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		if full < 5 {
			t.Errorf("the disk was full at %d stages of the migration, want several", full)
		}
	})
}

// A transaction larger than the page cache meets the full disk before its commit.
func TestRealFullDiskDuringALargeAppend(t *testing.T) { //nolint:paralleltest // see smallFilesystem
	mount := smallFilesystem(t, "24m")
	store := openFile(t, File(filepath.Join(mount, "log.db"))).(*Store)
	log := eventlog.New(store.Log())
	stored := fillLog(t, log, 0, 100)
	large := carillon.Append{Stream: "large", Expect: carillon.NoStream()}
	for i := range 60 {
		e := event(fmt.Sprint("large-", i))
		e.Payload = []byte(`"` + strings.Repeat("x", 600_000) + `"`)
		large.Events = append(large.Events, e)
	}
	for range 3 {
		if _, err := log.Append(t.Context(), large); !errors.Is(err, carillon.ErrDiskFull) {
			t.Fatalf("got %v, want %v", err, carillon.ErrDiskFull)
		}
		err := store.ReadModels().Update(t.Context(), powerModel, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
			rows := make([]carillon.Row, len(large.Events))
			for i, e := range large.Events {
				rows[i] = carillon.Row{Key: e.ID, Value: e.Payload}
			}
			return tx.Put(rows)
		})
		if !errors.Is(err, carillon.ErrDiskFull) {
			t.Fatalf("read model: got %v, want %v", err, carillon.ErrDiskFull)
		}
		stored += fillLog(t, log, stored, 100)
		holdsExactly(t, store.Log(), stored)
	}
}
