package sqlite

import (
	"encoding/binary"
	"fmt"

	"github.com/ncruces/go-sqlite3/vfs"
)

// SQLite writes a page to its write-ahead log with two calls of the system, one for a frame's header and one for the page. A commit
// of many appends changes hundreds of pages, and the calls cost more than the copying: here all frames of a commit are one call.
//
// Nothing is put off beyond the commit. The header of its last frame says so, and the frames are in the system's hands before SQLite
// flushes them or shows them to readers. The form of the log is https://sqlite.org/fileformat2.html#the_write_ahead_log.
const (
	logHeaderBytes   = 32
	frameHeaderBytes = 24
	// gatherBytes bounds what is gathered.
	gatherBytes = 256 << 10
)

// walFiles is a layer over files that gathers what is written to write-ahead logs.
type walFiles struct{ vfs.VFSFilename }

// registerWALFiles makes the layer over another one known to SQLite, under the name it returns.
func registerWALFiles(under string) (name string, err error) {
	files, ok := vfs.Find(under).(vfs.VFSFilename)
	if !ok {
		return "", fmt.Errorf("SQLite has no layer %q over files", under)
	}
	layer := &walFiles{files}
	name = fmt.Sprintf("carillon-%p", layer)
	vfs.Register(name, layer)
	return name, nil
}

// OpenFilename opens a file.
func (l *walFiles) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, got, err := l.VFSFilename.OpenFilename(name, flags)
	if err == nil && flags&vfs.OPEN_WAL != 0 {
		file = &walFile{File: file}
	}
	return file, got, err
}

// walFile is an open write-ahead log. SQLite uses it for one connection, one call at a time.
type walFile struct {
	vfs.File

	next    int64  // where the next frame goes when it follows the last
	pending []byte // what precedes next and is not in the system's hands yet
	commits bool   // the last write was the header of a commit's last frame, which says how large the database is after it
}

// Unwrap returns the file below.
func (f *walFile) Unwrap() vfs.File { return f.File }

// WriteAt gathers frames that follow one another. Whatever else SQLite writes, such as a page of a transaction again in the place it
// has already, goes to the system at once.
func (f *walFile) WriteAt(p []byte, offset int64) (int, error) {
	follows := offset == f.next && offset > 0
	if !follows || len(f.pending)+len(p) > gatherBytes {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	header := len(p) == frameHeaderBytes
	ends := f.commits && !header // it is the page of a commit's last frame
	f.commits = header && binary.BigEndian.Uint32(p[4:]) != 0
	if !follows {
		f.next = 0
		if header || len(p) == logHeaderBytes {
			f.next = offset + int64(len(p))
		}
		return f.File.WriteAt(p, offset)
	}
	f.pending = append(f.pending, p...)
	f.next += int64(len(p))
	if ends {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// flush hands over what was gathered. What fails is SQLite's to write again.
func (f *walFile) flush() error {
	if len(f.pending) == 0 {
		return nil
	}
	_, err := f.File.WriteAt(f.pending, f.next-int64(len(f.pending)))
	f.pending = f.pending[:0]
	if err != nil {
		f.next = 0
	}
	return err
}

// ReadAt reads, also what was just written.
func (f *walFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

// Truncate sets the size.
func (f *walFile) Truncate(size int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// Sync flushes to the disk.
func (f *walFile) Sync(flags vfs.SyncFlag) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Sync(flags)
}

// Size returns the size in bytes.
func (f *walFile) Size() (int64, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.Size()
}
