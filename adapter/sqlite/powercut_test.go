package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"
)

// sector is what a disk writes at once, in bytes. Power may fail in the middle of it.
const sector = 512

// powerFiles is the system's files on a disk that remembers what was not yet flushed, and what a power cut would leave.
// Flushes reach this disk alone, so that they cost nothing.
type powerFiles struct {
	vfs.VFS

	mu            sync.Mutex
	random        *rand.Rand
	files         map[string]*diskContent
	checkpointing bool
	// See cutBetween.
	between, betweenCheckpointing int
	cut                           func(image diskImage)
}

// diskContent is one file: what a cut cannot take, and what was written since, in order.
type diskContent struct {
	flushed []byte
	exists  bool // the directory entry is flushed
	pending []diskChange
}

// diskChange is bytes at an offset, or a new size when there are none.
type diskChange struct {
	offset int64
	data   []byte
}

// diskImage is the contents of a disk at one moment.
type diskImage struct {
	files map[string]diskContent
	// checkpointing says that the write-ahead log was being folded into the file.
	checkpointing bool
}

func newPowerFiles(t *testing.T, seed uint64) (name string, files *powerFiles) {
	t.Helper()
	files = &powerFiles{VFS: vfs.Find(""), random: rand.New(rand.NewPCG(seed, 0)), files: make(map[string]*diskContent)}
	name = strings.NewReplacer("/", "-", "_", "-", "=", "-").Replace(t.Name())
	vfs.Register(name, files)
	t.Cleanup(func() { vfs.Unregister(name) })
	return name, files
}

// OpenFilename takes what a file holds when it is first opened for flushed.
func (f *powerFiles) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := name.String()
	held, err := os.ReadFile(path)
	existed := err == nil
	file, flags, err := f.VFS.(vfs.VFSFilename).OpenFilename(name, flags)
	if err != nil || path == "" {
		return file, flags, err
	}
	if f.files[path] == nil {
		f.files[path] = &diskContent{flushed: held, exists: existed}
	}
	return &powerFile{File: file, files: f, content: f.files[path]}, flags, nil
}

func (f *powerFiles) Delete(path string, flushDirectory bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, path)
	return f.VFS.Delete(path, flushDirectory)
}

// powerFile is an open file of the disk.
type powerFile struct {
	vfs.File
	files   *powerFiles
	content *diskContent
}

func (f *powerFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func (f *powerFile) CheckpointStart() { f.files.checkpoint(true) }

func (f *powerFile) CheckpointDone() { f.files.checkpoint(false) }

func (f *powerFiles) checkpoint(begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checkpointing = begun
}

func (f *powerFile) WriteAt(p []byte, offset int64) (n int, err error) {
	f.files.operate(func() {
		f.content.pending = append(f.content.pending, diskChange{offset, slices.Clone(p)})
		n, err = f.File.WriteAt(p, offset)
	})
	return n, err
}

func (f *powerFile) Truncate(size int64) (err error) {
	f.files.operate(func() {
		f.content.pending = append(f.content.pending, diskChange{offset: size})
		err = f.File.Truncate(size)
	})
	return err
}

func (f *powerFile) Sync(vfs.SyncFlag) error {
	f.files.operate(func() {
		for _, change := range f.content.pending {
			f.content.flushed = change.apply(f.content.flushed)
		}
		f.content.pending, f.content.exists = nil, true
	})
	return nil
}

// operate carries out an operation, and lets power fail before or after it now and then.
func (f *powerFiles) operate(operation func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	between := f.between
	if f.checkpointing {
		between = f.betweenCheckpointing
	}
	fails := between > 0 && f.random.IntN(between) == 0
	before := f.random.IntN(2) == 0
	if fails && before {
		f.cut(f.image())
	}
	operation()
	if fails && !before {
		f.cut(f.image())
	}
}

// cutBetween lets power fail once in so many operations, while the write-ahead log is folded into the file and at other times; 0
// for never. cut is told what the disk holds then, and calls nothing of the store.
func (f *powerFiles) cutBetween(operations, checkpointing int, cut func(image diskImage)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.between, f.betweenCheckpointing, f.cut = operations, checkpointing, cut
}

// cutNow lets power fail between two operations.
func (f *powerFiles) cutNow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut(f.image())
}

// image copies what the disk holds; the caller holds the lock.
func (f *powerFiles) image() diskImage {
	image := diskImage{files: make(map[string]diskContent), checkpointing: f.checkpointing}
	for path, content := range f.files {
		image.files[filepath.Base(path)] = diskContent{slices.Clone(content.flushed), content.exists, slices.Clone(content.pending)}
	}
	return image
}

// apply makes the change to a file's bytes.
func (c diskChange) apply(content []byte) []byte {
	size := c.offset + int64(len(c.data))
	if int64(len(content)) < size {
		content = append(content, make([]byte, size-int64(len(content)))...)
	}
	if len(c.data) == 0 {
		return content[:size]
	}
	copy(content[c.offset:], c.data)
	return content
}

// survivors says which of the writes that were not flushed survive a cut.
type survivors struct {
	name    string
	percent int
}

func pickSurvivors(random *rand.Rand) survivors {
	switch random.IntN(6) {
	case 0:
		return survivors{"none", 0}
	case 1:
		return survivors{"all", 100}
	case 2:
		return survivors{"nearly all", 95}
	default:
		percent := 1 + random.IntN(99)
		return survivors{fmt.Sprint(percent, " %"), percent}
	}
}

// leave writes what a cut leaves of a disk into a directory.
func (image diskImage) leave(directory string, random *rand.Rand, survive survivors) error {
	percent := survive.percent
	for name, file := range image.files {
		content, there := slices.Clone(file.flushed), file.exists
		for _, change := range file.pending {
			for _, piece := range change.sectors() {
				if random.IntN(100) >= percent {
					continue
				}
				if percent < 100 && random.IntN(20) == 0 {
					piece.data = piece.data[:random.IntN(len(piece.data)+1)] // torn
					if len(piece.data) == 0 {
						continue
					}
				}
				content, there = piece.apply(content), true
			}
		}
		if !there {
			continue
		}
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// sectors cuts a change where the sectors of a disk meet. A new size is one piece.
func (c diskChange) sectors() []diskChange {
	if len(c.data) == 0 {
		return []diskChange{c}
	}
	var pieces []diskChange
	for at := 0; at < len(c.data); {
		size := min(sector-int(c.offset+int64(at))%sector, len(c.data)-at)
		pieces = append(pieces, diskChange{c.offset + int64(at), c.data[at : at+size]})
		at += size
	}
	return pieces
}
