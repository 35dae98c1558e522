package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// smallDisk is the system's files on a disk of a size that can be changed. What lies there may be written over when it is full.
type smallDisk struct {
	vfs.VFS

	mu       sync.Mutex
	capacity int64 // bytes; 0 for no limit
	sizes    map[string]int64
	refused  map[string]int // writes that found no room, by file
}

func newSmallDisk(t *testing.T) (source *Source, disk *smallDisk) {
	t.Helper()
	disk = &smallDisk{VFS: vfs.Find(""), sizes: make(map[string]int64), refused: make(map[string]int)}
	name := strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())
	vfs.Register(name, disk)
	t.Cleanup(func() { vfs.Unregister(name) })
	source = File(filepath.Join(t.TempDir(), "small.db"))
	source.vfs = name
	return source, disk
}

// leave gives the disk so much room beyond what is taken.
func (d *smallDisk) leave(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = d.taken() + bytes
}

func (d *smallDisk) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = 0
	clear(d.refused)
}

// refusedIn is how many writes to files whose names end so found no room since the disk was last cleared.
func (d *smallDisk) refusedIn(suffix string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused[suffix]
}

func (d *smallDisk) taken() (bytes int64) {
	for _, size := range d.sizes {
		bytes += size
	}
	return bytes
}

func (d *smallDisk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, flags, err := d.VFS.(vfs.VFSFilename).OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	size, err := file.Size()
	if err != nil {
		return nil, flags, errors.Join(err, file.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	path := name.String()
	d.sizes[path] = size
	return &smallDiskFile{File: file, disk: d, path: path}, flags, nil
}

func (d *smallDisk) Delete(path string, flushDirectory bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sizes, path)
	return d.VFS.Delete(path, flushDirectory)
}

type smallDiskFile struct {
	vfs.File
	disk *smallDisk
	path string
}

func (f *smallDiskFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func (f *smallDiskFile) WriteAt(p []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	grown := max(0, offset+int64(len(p))-f.disk.sizes[f.path])
	if grown > 0 && f.disk.capacity > 0 && f.disk.taken()+grown > f.disk.capacity {
		f.disk.refused[filepath.Ext(f.path)]++
		return 0, sqlite3.FULL
	}
	f.disk.sizes[f.path] += grown
	return f.File.WriteAt(p, offset)
}

func (f *smallDiskFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.sizes[f.path] = size
	return f.File.Truncate(size)
}

// fillLog appends one event after another until the disk is full, at most limit of them. It returns how many were acknowledged.
func fillLog(t *testing.T, log *eventlog.Log, from, limit int) int {
	t.Helper()
	for i := range limit {
		n := from + i
		e := event(fmt.Sprint("e-", n))
		e.Payload = fmt.Appendf(nil, `"%0*d"`, 200+n%700, n)
		_, err := log.Append(t.Context(), carillon.Append{Stream: "s-1", Expect: carillon.Exactly(int64(n)), Events: []carillon.Message{e}})
		if errors.Is(err, carillon.ErrDiskFull) {
			return i
		}
		if err != nil {
			t.Fatalf("append %d: %v", n, err)
		}
	}
	return limit
}

// holdsExactly wants the log to hold so many events, those of fillLog, in order.
func holdsExactly(t *testing.T, log carillon.Log, count int) {
	t.Helper()
	read := 0
	for page := (carillon.Page{More: true}); page.More; {
		var err error
		if page, err = log.Read(t.Context(), carillon.AllEvents(), page.Through, 1000); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.ID != fmt.Sprint("e-", read) || int(e.Position) != read+1 {
				t.Fatalf("event %q at position %d, want e-%d at %d", e.ID, e.Position, read, read+1)
			}
			read++
		}
	}
	if read != count {
		t.Fatalf("the log holds %d events, %d were acknowledged", read, count)
	}
}

// TestDiskFullDuringCheckpoint leaves no room to fold the write-ahead log into the file, while the log itself can still be
// written over. Appends go on until that is full, too.
func TestDiskFullDuringCheckpoint(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed-%t", closed), func(t *testing.T) {
			t.Parallel()
			source, disk := newSmallDisk(t)
			store := openFile(t, source).(*Store)
			if err := writerExec(store, "PRAGMA wal_autocheckpoint=50"); err != nil {
				t.Fatal(err)
			}
			log := eventlog.New(store.Log())
			stored := fillLog(t, log, 0, 300)
			for range 20 {
				disk.leave(0)
				stored += fillLog(t, log, stored, 10_000)
				holdsExactly(t, store.Log(), stored)
				disk.leave(rand.Int64N(40_000))
				stored += fillLog(t, log, stored, 10)
			}
			if disk.refusedIn(".db") == 0 || disk.refusedIn(".db-wal") == 0 {
				t.Errorf("%v writes found no room, want some in the file and some in its log", disk.refused)
			}
			if closed {
				disk.leave(0)
				if err := store.Close(); err != nil {
					t.Errorf("close on a full disk: %v", err)
				}
				disk.clear()
				store = openFile(t, source).(*Store)
				log = eventlog.New(store.Log())
			}
			disk.clear()
			stored += fillLog(t, log, stored, 300)
			if disk.refusedIn(".db") != 0 {
				t.Error("there is room, and a checkpoint found none")
			}
			holdsExactly(t, store.Log(), stored)
			left, folded := checkpointed(t, store)
			if left != folded {
				t.Errorf("%d pages in the write-ahead log, %d of them folded into the file", left, folded)
			}
			if err := errors.Join(integrity(store), store.Close()); err != nil {
				t.Error(err)
			}
			holdsExactly(t, openFile(t, File(source.path)).Log(), stored)
		})
	}
}

// checkpointed folds the write-ahead log into the file and returns how many pages it had and how many were folded.
func checkpointed(t *testing.T, store *Store) (pages, folded int64) {
	t.Helper()
	store.writer.mu.Lock()
	defer store.writer.mu.Unlock()
	err := store.writer.conn.query("PRAGMA wal_checkpoint(PASSIVE)", nil, func(stmt *sqlite3.Stmt) error {
		pages, folded = stmt.ColumnInt64(1), stmt.ColumnInt64(2)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages, folded
}

// count is a read model of one row.
type count struct{ Events int }

func counts() *projection.Model[count] {
	return projection.Keyed("counts",
		projection.By("thing.happened", func(text string) string { return fmt.Sprint("k-", text[len(text)-3:]) }, func(c count, _ string) count {
			return count{Events: c.Events + 1}
		}))
}

// failureSignal is a log handler that passes on that an error was logged.
type failureSignal chan struct{}

func (failureSignal) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError
}

func (f failureSignal) Handle(context.Context, slog.Record) error {
	select {
	case f <- struct{}{}:
	default:
	}
	return nil
}

func (f failureSignal) WithAttrs([]slog.Attr) slog.Handler { return f }

func (f failureSignal) WithGroup(string) slog.Handler { return f }

// TestDiskFullDuringRebuild fills the disk at every stage of a rebuild. It says so, the live rows stay and are served, the
// projection goes on by itself once there is room, and the next rebuild ends.
func TestDiskFullDuringRebuild(t *testing.T) {
	t.Parallel()
	source, disk := newSmallDisk(t)
	store := openFile(t, source).(*Store)
	log := eventlog.New(store.Log())
	failures := make(failureSignal, 1)
	engine := projection.NewEngine(log, store, projection.WithLogger(slog.New(failures)))
	if err := engine.Add(counts()); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	t.Cleanup(func() { <-stopped })
	go func() {
		defer close(stopped)
		_ = engine.Run(t.Context())
	}()
	wait := func(position int) {
		t.Helper()
		if err := engine.Wait(t.Context(), "counts", carillon.Position(position)); err != nil {
			t.Fatal(err)
		}
	}
	rows := func() []carillon.Row {
		t.Helper()
		rows, err := store.ReadModels().Rows(t.Context(), carillon.ModelRef{Name: "counts"}, "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	stored := fillLog(t, log, 0, 3000)
	wait(stored)
	before := rows()
	failed := 0
	for room := int64(0); room < 1<<20; room += 16 << 10 {
		// What is folded into the file leaves a log to be written over; a log cut short does not.
		if err := writerExec(store, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			t.Fatal(err)
		}
		disk.leave(room)
		err := engine.Rebuild(t.Context(), "counts")
		if err != nil && !errors.Is(err, carillon.ErrDiskFull) {
			t.Fatalf("with %d bytes of room: %v", room, err)
		}
		if diff := cmp.Diff(before, rows()); diff != "" {
			t.Fatalf("with %d bytes of room, the rebuild ended with %v and the rows changed (-before +after):\n%s", room, err, diff)
		}
		disk.clear()
		if err == nil {
			break
		}
		failed++
	}
	if failed < 3 {
		t.Errorf("%d rebuilds found the disk full, want several", failed)
	}
	// The live projection meets a full disk, too.
	for failed := false; !failed; {
		stored += fillLog(t, log, stored, 1)
		disk.leave(0)
		caughtUp := make(chan error, 1)
		go func() { caughtUp <- engine.Wait(t.Context(), "counts", carillon.Position(stored)) }()
		select {
		case <-failures:
			failed = true
			disk.clear()
			if err := <-caughtUp; err != nil {
				t.Fatal(err)
			}
		case err := <-caughtUp: // it was there before the disk was full
			disk.clear()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	live := rows()
	if err := engine.Rebuild(t.Context(), "counts"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(live, rows()); diff != "" {
		t.Errorf("rows (-live +rebuilt):\n%s", diff)
	}
	holdsExactly(t, store.Log(), stored)
}
