package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// Loss says what a power cut may take. Killing the process takes nothing at any level.
type Loss uint8

const (
	// NoLoss flushes every append before it is acknowledged (synchronous=FULL). It is the default.
	NoLoss Loss = iota
	// LastCommits leaves flushing to checkpoints (synchronous=NORMAL): a power cut may undo the last acknowledged appends.
	LastCommits
	// WholeFile never flushes (synchronous=OFF): a power cut may corrupt the file. For imports that can start over.
	WholeFile
)

// Source is a SQLite file that can be opened.
type Source struct {
	path           string
	loss           Loss
	cacheSize      int
	inboxRetention time.Duration
	readOnly       bool
	// networkFilesystem names the filesystem of a path when it is a network one; tests replace it.
	networkFilesystem func(path string) (string, error)
	// vfs names SQLite's layer over files for the writer, empty for the system's; tests put a faulty one there.
	vfs string
	// beforeCommit is called when an append's transaction is complete but for its commit; tests set it.
	beforeCommit func()
}

// Option changes a default of [File] or [ReadOnly].
type Option func(*Source)

// WithPossibleLoss weakens durability for speed. Default: [NoLoss].
func WithPossibleLoss(loss Loss) Option { return func(s *Source) { s.loss = loss } }

// CacheSize sets how many bytes of pages the writer keeps in memory. Default: 8 MiB. More does not make a log faster: SQLite goes
// through the whole cache at many a commit, and what it lacks comes from the system's cache.
func CacheSize(bytes int) Option { return func(s *Source) { s.cacheSize = bytes } }

// File names a database file; opening it makes it if it is not there.
func File(path string, options ...Option) *Source {
	s := &Source{path: path, cacheSize: 8 << 20, inboxRetention: defaultInboxRetention, networkFilesystem: networkFilesystem}
	for _, option := range options {
		option(s)
	}
	return s
}

// ReadOnly names a database file that another process may be writing: appends and updates fail with
// [carillon.ErrUnsupported].
func ReadOnly(path string, options ...Option) *Source {
	s := File(path, options...)
	s.readOnly = true
	return s
}

// Open opens the file, brings its schema up to date, and takes the writer's lock unless it is to be read only. A file that is made gets
// mode 0600, and so does the lock file, whatever the umask; the mode of one that is there stays, and the write-ahead log follows it.
//
// The error wraps [carillon.ErrInUse] when another process writes, [carillon.ErrNetworkFilesystem],
// [carillon.ErrEngineTooOld], [carillon.ErrSchemaNewer], [carillon.ErrDiskFull], [carillon.ErrCorrupt] when the file is no
// database, or [carillon.ErrNotFound] when a file to be read is not there.
func (s *Source) Open(ctx context.Context) (carillon.Store, error) {
	store, err := open(ctx, *s)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// Describe names the file and what its acknowledgements mean.
func (s *Source) Describe() carillon.Description {
	durability := map[Loss]string{
		NoLoss:      "flushed before acknowledged (synchronous=FULL)",
		LastCommits: "a power cut may undo the last commits (synchronous=NORMAL)",
		WholeFile:   "a power cut may corrupt the file (synchronous=OFF)",
	}[s.loss]
	return carillon.Description{Kind: "store", Name: "sqlite", Detail: map[string]string{
		"file": s.path, "durability": durability, "inbox": fmt.Sprintf("receipts of handled messages are kept for %v", s.inboxRetention),
	}}
}
