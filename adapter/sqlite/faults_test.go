package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// faultyFiles is the system's files with faults that can be switched on.
type faultyFiles struct {
	vfs.VFS
	full     atomic.Bool // writes find no room
	failSync atomic.Bool // flushes of the write-ahead log fail
}

func newFaultyFiles(t *testing.T) (name string, files *faultyFiles) {
	t.Helper()
	files = &faultyFiles{VFS: vfs.Find("")}
	name = strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())
	vfs.Register(name, files)
	t.Cleanup(func() { vfs.Unregister(name) })
	return name, files
}

func (f *faultyFiles) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, flags, err := f.VFS.(vfs.VFSFilename).OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return &faultyFile{File: file, files: f, isLog: flags&vfs.OPEN_WAL != 0}, flags, nil
}

// faultyFile forwards what SQLite asks of a file, shared memory included.
type faultyFile struct {
	vfs.File
	files *faultyFiles
	isLog bool
}

func (f *faultyFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func (f *faultyFile) WriteAt(p []byte, offset int64) (int, error) {
	if f.files.full.Load() {
		return 0, sqlite3.FULL
	}
	return f.File.WriteAt(p, offset)
}

func (f *faultyFile) Sync(flags vfs.SyncFlag) error {
	if f.isLog && f.files.failSync.Load() {
		return errors.Join(syscall.EIO, sqlite3.IOERR_FSYNC)
	}
	return f.File.Sync(flags)
}

func TestFullDiskIsATypedErrorAndPasses(t *testing.T) {
	t.Parallel()
	name, files := newFaultyFiles(t)
	source := File(filepath.Join(t.TempDir(), "full.db"))
	source.vfs = name
	store := openFile(t, source)
	log := eventlog.New(store.Log())
	write := func(id string) error {
		_, err := log.Append(t.Context(), carillon.Append{Stream: "s", Expect: carillon.AnyVersion(), Events: []carillon.Message{event(id)}})
		return err
	}
	if err := write("before"); err != nil {
		t.Fatal(err)
	}
	files.full.Store(true)
	for i := range 20 {
		if err := write(fmt.Sprint("full", i)); !errors.Is(err, carillon.ErrDiskFull) {
			t.Fatalf("append to a full disk: got %v, want %v", err, carillon.ErrDiskFull)
		}
	}
	put := func() error {
		return store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "m"}, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
			return errors.Join(tx.Put([]carillon.Row{{Key: "k", Value: []byte("v")}}), tx.Advance(1))
		})
	}
	if err := put(); !errors.Is(err, carillon.ErrDiskFull) {
		t.Errorf("read model on a full disk: got %v, want %v", err, carillon.ErrDiskFull)
	}
	if events, err := log.ReadStream(t.Context(), "s", 0, 100); err != nil || len(events) != 1 {
		t.Errorf("reading from a full disk: got %d events, %v; want 1", len(events), err)
	}
	files.full.Store(false)
	if err := errors.Join(write("after"), put()); err != nil {
		t.Errorf("with room again: %v", err)
	}
	events, err := log.ReadStream(t.Context(), "s", 0, 100)
	if err != nil || len(events) != 2 || events[1].ID != "after" || events[1].Position != 2 {
		t.Errorf("got %v, %v; want the two acknowledged events without a hole", events, err)
	}
}

func TestFailedFlushIsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	name, files := newFaultyFiles(t)
	source := File(filepath.Join(t.TempDir(), "flush.db"))
	source.vfs = name
	log := eventlog.New(openFile(t, source).Log())
	write := func(id string) (carillon.Appended, error) {
		return log.Append(t.Context(), carillon.Append{Stream: "s", Expect: carillon.AnyVersion(), Events: []carillon.Message{event(id)}})
	}
	if _, err := write("before"); err != nil {
		t.Fatal(err)
	}
	files.failSync.Store(true)
	_, unknown := write("unknown")
	if !errors.Is(unknown, carillon.ErrOutcomeUnknown) {
		t.Fatalf("a failed flush: got %v, want %v", unknown, carillon.ErrOutcomeUnknown)
	}
	if _, err := log.Resolve(t.Context(), unknown); err == nil || errors.Is(err, carillon.ErrNotFound) {
		t.Errorf("resolved while nothing can be flushed: %v", err)
	}
	files.failSync.Store(false)

	resolved, err := log.Resolve(t.Context(), unknown)
	if err != nil && !errors.Is(err, carillon.ErrNotFound) {
		t.Fatalf("resolve: %v", err)
	}
	after, err2 := write("after")
	if err2 != nil {
		t.Fatalf("append after a failed flush: %v", err2)
	}
	want := carillon.Position(2)
	if err == nil {
		want = resolved.Last + 1
	}
	if after.First != want {
		t.Errorf("resolved as %v (%v), the next event stands at %d, want %d", resolved, err, after.First, want)
	}
}
