package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// A real filesystem of 8 MiB is filled to the brim, emptied of ballast, and filled again.
func TestRealFullDisk(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=8m"); err != nil {
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
