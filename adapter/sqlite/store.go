package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// Store is an open SQLite file.
type Store struct {
	source  Source
	lock    *flock.Flock // nil when read only
	writer  *writer      // nil when read only
	readers *readers
	names   *typeNames
	readSQL *sql.DB
	hub     *topics.Hub
	closed  atomic.Bool
	once    sync.Once
}

func open(ctx context.Context, source Source) (*Store, error) {
	path, err := filepath.Abs(source.path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", source.path, err)
	}
	source.path = path
	if err := checkEngine(engineVersion()); err != nil {
		return nil, err
	}
	if err := checkFile(source); err != nil {
		return nil, err
	}
	s := &Store{source: source, names: newTypeNames()}
	s.hub = newHub(s)
	if err := s.open(ctx); err != nil {
		if s.lock != nil {
			err = explain(err, source.path)
		}
		return nil, errors.Join(fmt.Errorf("open %s: %w", source.path, translate(err)), s.Close())
	}
	return s, nil
}

// checkFile refuses files that cannot be opened safely.
func checkFile(source Source) error {
	info, err := os.Stat(source.path)
	switch {
	case err == nil && info.IsDir():
		return carillon.Invalidf(source.path, "a store is a file, this is a directory")
	case err != nil && source.readOnly:
		return fmt.Errorf("open %s for reading: there is no such file: %w", source.path, carillon.ErrNotFound)
	}
	name, err := source.networkFilesystem(filepath.Dir(source.path))
	if err != nil {
		return fmt.Errorf("open %s: %w", source.path, err)
	}
	if name != "" {
		return fmt.Errorf("%s lies on %s, whose locks and flushes cannot be trusted: keep the file on a local disk: %w",
			source.path, name, carillon.ErrNetworkFilesystem)
	}
	return nil
}

func (s *Store) open(ctx context.Context) error {
	if !s.source.readOnly {
		if err := s.takeLock(); err != nil {
			return err
		}
		if err := makeFile(s.source.path); err != nil {
			return err
		}
		if err := migrate(ctx, s.source.path); err != nil {
			return err
		}
	} else if err := checkSchema(ctx, s.source.path); err != nil {
		return err
	}
	s.readers = newReaders(s.source.path)
	var err error
	if s.readSQL, err = openReadSQL(s.source.path); err != nil {
		return err
	}
	if !s.source.readOnly {
		s.writer, err = openWriter(ctx, s.source, s.names)
	}
	return err
}

// private is the mode of a file that its owner alone may read: events are in it as they are.
const private = 0o600

// makeFile makes the file, if it is not there, with a mode that does not depend on the umask.
func makeFile(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, private)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// takeLock takes the lock file, which lives as long as the process at most: the system drops it with the process.
func (s *Store) takeLock() error {
	lock := flock.New(s.source.path+".lock", flock.SetPermissions(private))
	taken, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock file: %w", err)
	}
	if !taken {
		return fmt.Errorf("another process writes to it: stop that one, or open the file read only beside it: %w", carillon.ErrInUse)
	}
	s.lock = lock
	return nil
}

// Log returns the event log.
func (s *Store) Log() carillon.Log { return (*eventLog)(s) }

// ReadModels returns the read models.
func (s *Store) ReadModels() carillon.ReadModels { return (*readModels)(s) }

// Snapshots returns the snapshot cache.
func (s *Store) Snapshots() carillon.Snapshots { return (*snapshots)(s) }

// DeadLetters returns the parked events.
func (s *Store) DeadLetters() carillon.DeadLetters { return (*deadLetters)(s) }

// ReadSQL returns read-only connections to the file's tables.
func (s *Store) ReadSQL() *sql.DB { return s.readSQL }

// Describe describes the file the store was opened from.
func (s *Store) Describe() carillon.Description { return s.source.Describe() }

// Close finishes what is under way and releases the file.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		err = s.hub.Close()
		s.closed.Store(true)
		if s.readSQL != nil {
			err = errors.Join(err, s.readSQL.Close())
		}
		if s.readers != nil {
			err = errors.Join(err, s.readers.close())
		}
		if s.writer != nil {
			err = errors.Join(err, s.writer.close())
		}
		if s.lock != nil {
			err = errors.Join(err, s.lock.Unlock())
		}
	})
	return err
}

// usable reports why a call cannot be served, if it cannot.
func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return carillon.ErrClosed
	}
	return ctx.Err()
}

// writable is [Store.usable] for calls that write.
func (s *Store) writable(ctx context.Context) error {
	if s.source.readOnly {
		return fmt.Errorf("%s is open read only: %w", s.source.path, carillon.ErrUnsupported)
	}
	return s.usable(ctx)
}
