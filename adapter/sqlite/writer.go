package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/carillon-go/carillon"
)

// writer is the one connection that writes. Everything that changes the file goes through it, one transaction at a time.
type writer struct {
	source Source
	names  *typeNames

	mu       sync.Mutex
	files    string // SQLite's name for the layer over files
	db       *sql.DB
	session  *sql.Conn   // holds the connection, and runs the statements of SQL projections
	conn     *connection // the same connection, without database/sql in between
	level    carillon.Durability
	poisoned error // why the connection must be reopened before the next use
	received int   // receipts since old ones were deleted
	state    logState
	rows     rows
}

func openWriter(ctx context.Context, source Source, names *typeNames) (*writer, error) {
	w := &writer{source: source, names: names, rows: newRows()}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) open(ctx context.Context) error {
	files, err := registerWALFiles(w.source.vfs)
	if err != nil {
		return err
	}
	w.files = files
	db, err := driver.Open(uri(w.source.path, "vfs="+files), w.configure)
	if err != nil {
		return err
	}
	w.db = db
	db.SetMaxOpenConns(1)
	if w.session, err = db.Conn(ctx); err != nil {
		return err
	}
	err = w.session.Raw(func(driverConn any) (err error) {
		w.conn, err = newConnection(driverConn.(driver.Conn).Raw())
		return err
	})
	if err != nil {
		return err
	}
	w.conn.SetInterrupt(context.Background())
	w.level = carillon.Flushed
	return w.state.load(w.conn)
}

// configure sets what the design asks of the writer; see docs/decisions.
func (w *writer) configure(conn *sqlite3.Conn) error {
	pragmas := "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;" +
		" PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=4000;" +
		fmt.Sprintf(" PRAGMA cache_size=-%d;", max(w.source.cacheSize>>10, 1000))
	if runtime.GOOS == "darwin" { // fsync alone does not reach the platter there
		pragmas += " PRAGMA fullfsync=ON; PRAGMA checkpoint_fullfsync=ON;"
	}
	return conn.Exec(pragmas + w.synchronous(carillon.Flushed))
}

// synchronous is the statement that makes commits as durable as asked, within what the user has given up.
func (w *writer) synchronous(durability carillon.Durability) string {
	switch {
	case w.source.loss == WholeFile:
		return "PRAGMA synchronous=OFF"
	case w.source.loss == LastCommits || durability == carillon.Refoldable:
		return "PRAGMA synchronous=NORMAL"
	default:
		return "PRAGMA synchronous=FULL"
	}
}

// lock takes the writer for one transaction of the given durability, reopening it after a failure of the disk. unlock follows
// unless there is an error.
func (w *writer) lock(ctx context.Context, durability carillon.Durability) error {
	w.mu.Lock()
	if err := w.ready(ctx, durability); err != nil {
		w.mu.Unlock()
		return translate(explain(err, w.source.path))
	}
	return nil
}

func (w *writer) ready(ctx context.Context, durability carillon.Durability) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.db == nil && w.poisoned == nil {
		return carillon.ErrClosed
	}
	if w.poisoned != nil {
		if err := w.reopen(ctx); err != nil {
			return fmt.Errorf("%w: reopen: %w", w.poisoned, err)
		}
	}
	if w.level == durability {
		return nil
	}
	w.level = durability
	return w.conn.Exec(w.synchronous(durability))
}

func (w *writer) unlock() { w.mu.Unlock() }

// transaction runs fn between BEGIN IMMEDIATE and COMMIT, with no way for ctx to interrupt the commit itself. Without an error
// the transaction is committed; with [carillon.ErrOutcomeUnknown] nobody knows; with any other it did not happen.
func (w *writer) transaction(ctx context.Context, fn func() error) error {
	finished := false
	defer func() {
		if !finished { // fn panicked
			w.conn.SetInterrupt(context.Background())
			w.poisoned = w.conn.exec("ROLLBACK", nil)
		}
	}()
	w.conn.SetInterrupt(ctx)
	err := w.conn.exec("BEGIN IMMEDIATE", nil)
	if err == nil {
		err = fn()
	}
	w.conn.SetInterrupt(context.Background())
	finished = true
	if err == nil {
		err = w.commit()
	}
	if err != nil && !w.conn.GetAutocommit() {
		if rollback := w.conn.exec("ROLLBACK", nil); rollback != nil {
			w.poisoned = rollback
		}
	}
	if errors.Is(err, sqlite3.INTERRUPT) && ctx.Err() != nil {
		err = ctx.Err()
	}
	return translate(explain(err, w.source.path))
}

// commit commits. An I/O error that is no lack of room leaves open what reached the disk, and what a later flush would write:
// the connection is not used again.
func (w *writer) commit() error {
	err := w.conn.exec("COMMIT", nil)
	if err == nil || !errors.Is(err, sqlite3.IOERR) {
		return err
	}
	// The write of a frame failed: the frame that commits comes last, and none is flushed yet.
	if errors.Is(err, sqlite3.IOERR_WRITE) && noRoom(filepath.Dir(w.source.path)) {
		return fmt.Errorf("%w: %w", carillon.ErrDiskFull, err)
	}
	w.poisoned = err
	return fmt.Errorf("%w: commit: %w", carillon.ErrOutcomeUnknown, err)
}

// explain finds out whether an I/O error of what wrote to a file was a lack of room: the engine does not tell on every system.
func explain(err error, path string) error {
	known := errors.Is(err, carillon.ErrOutcomeUnknown) || errors.Is(err, carillon.ErrDiskFull)
	if known || !errors.Is(err, sqlite3.IOERR) || !noRoom(filepath.Dir(path)) {
		return err
	}
	return fmt.Errorf("%w: %w", carillon.ErrDiskFull, err)
}

// noRoom finds out by trying whether a directory has room for what a commit writes at the least.
func noRoom(directory string) bool {
	file, err := os.CreateTemp(directory, ".room-*")
	if err != nil {
		return errors.Is(translate(err), carillon.ErrDiskFull)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	_, err = file.Write(make([]byte, 64<<10))
	return errors.Is(translate(err), carillon.ErrDiskFull)
}

// reopen replaces a connection whose last commit failed, and settles that commit: whatever frames it left behind are written
// over by one that is flushed, so that they cannot come back with the next start.
func (w *writer) reopen(ctx context.Context) error {
	if err := errors.Join(w.release(), w.open(ctx)); err != nil {
		return err
	}
	if err := w.conn.Exec("BEGIN IMMEDIATE; PRAGMA user_version = 1; COMMIT"); err != nil {
		return err
	}
	w.poisoned = nil
	return w.state.load(w.conn)
}

func (w *writer) release() error {
	var err error
	if w.conn != nil {
		err = w.conn.finalize()
		w.conn = nil
	}
	if w.session != nil {
		err = errors.Join(err, w.session.Close())
		w.session = nil
	}
	if w.db != nil {
		err = errors.Join(err, w.db.Close())
		w.db = nil
	}
	vfs.Unregister(w.files)
	return err
}

// close folds the write-ahead log into the file and closes it.
func (w *writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil && w.poisoned == nil {
		// Best effort: what stays in the write-ahead log is read from there.
		_ = w.conn.Exec("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return w.release()
}
