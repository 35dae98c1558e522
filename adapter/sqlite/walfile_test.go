package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/carillon-go/carillon"
)

// bytesFile is a file in memory that counts what it is asked to write.
type bytesFile struct {
	vfs.File
	content []byte
	writes  int
	failing error
}

func (f *bytesFile) WriteAt(p []byte, offset int64) (int, error) {
	f.writes++
	if f.failing != nil {
		return 0, f.failing
	}
	f.content = diskChange{offset: offset, data: bytes.Clone(p)}.apply(f.content)
	return len(p), nil
}

func (f *bytesFile) ReadAt(p []byte, offset int64) (int, error) {
	return copy(p, f.content[offset:]), nil
}

func (f *bytesFile) Sync(vfs.SyncFlag) error { return nil }

// framePage is the size of a page of a test's log.
const framePage = 512

// frame makes a frame's header and page.
func frame(n byte, commits bool) (header, page []byte) {
	header, page = bytes.Repeat([]byte{n}, frameHeaderBytes), bytes.Repeat([]byte{n}, framePage)
	binary.BigEndian.PutUint32(header[4:], 0)
	if commits {
		binary.BigEndian.PutUint32(header[4:], uint32(n)+1)
	}
	return header, page
}

// placeOf is where a frame begins.
func placeOf(n int) int64 { return logHeaderBytes + int64(n)*(frameHeaderBytes+framePage) }

// sqliteLog writes to a log as SQLite does, and to a model of it.
type sqliteLog struct {
	*testing.T
	file, model vfs.File
	below       *bytesFile
	modelled    *bytesFile
}

func newSQLiteLog(t *testing.T) *sqliteLog {
	t.Helper()
	l := &sqliteLog{T: t, below: &bytesFile{}, modelled: &bytesFile{}}
	l.file, l.model = &walFile{File: l.below}, l.modelled
	l.write(make([]byte, logHeaderBytes), 0)
	return l
}

func (l *sqliteLog) write(p []byte, offset int64) {
	l.Helper()
	for _, file := range []vfs.File{l.file, l.model} {
		if n, err := file.WriteAt(p, offset); err != nil || n != len(p) {
			l.Fatalf("wrote %d of %d bytes: %v", n, len(p), err)
		}
	}
}

func (l *sqliteLog) writeFrame(place int, n byte, commits bool) {
	l.Helper()
	header, page := frame(n, commits)
	l.write(header, placeOf(place))
	l.write(page, placeOf(place)+frameHeaderBytes)
}

// read checks that what is read is what was written.
func (l *sqliteLog) read(place int) {
	l.Helper()
	got, want := make([]byte, frameHeaderBytes+framePage), make([]byte, frameHeaderBytes+framePage)
	for file, into := range map[vfs.File][]byte{l.file: got, l.model: want} {
		if _, err := file.ReadAt(into, placeOf(place)); err != nil {
			l.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) {
		l.Fatalf("frame %d is read as %.8x…, want %.8x…", place, got, want)
	}
}

// committed checks that the system has all that was written.
func (l *sqliteLog) committed() {
	l.Helper()
	if !bytes.Equal(l.below.content, l.modelled.content) {
		l.Fatal("a transaction is committed, and the system does not have all of it")
	}
}

// Transactions of many frames, some of them read while they are written, some written again in their place, which takes new checksums in
// the headers behind: whatever SQLite does, the system has everything when the commit's last frame or header is written.
func TestCommitsAreWhole(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	l := newSQLiteLog(t)
	next := 0
	for range 2000 {
		if random.IntN(20) == 0 { // everything is in the database: the log begins anew
			next = 0
			l.write(bytes.Repeat([]byte{byte(random.Uint32())}, logHeaderBytes), 0)
		}
		begin, again := next, -1
		for range random.IntN(600) {
			l.writeFrame(next, byte(random.Uint32()), false)
			next++
			switch place := begin + random.IntN(next-begin); random.IntN(40) {
			case 0:
				l.read(place)
			case 1: // the page alone; its header is made new at the end
				_, page := frame(byte(random.Uint32()), false)
				l.write(page, placeOf(place)+frameHeaderBytes)
				if again < 0 || place < again {
					again = place
				}
			}
		}
		if random.IntN(10) == 0 { // rolled back
			next = begin
			continue
		}
		l.writeFrame(next, byte(random.Uint32()), true)
		next++
		for place := again; place >= 0 && place < next; place++ {
			l.read(place)
			header, _ := frame(byte(random.Uint32()), place == next-1)
			l.write(header, placeOf(place))
		}
		l.committed()
	}
}

func TestACommitIsFewWrites(t *testing.T) {
	t.Parallel()
	l := newSQLiteLog(t)
	const frames = 1000
	for n := range frames {
		l.writeFrame(n, byte(n), n == frames-1)
	}
	l.committed()
	if want := 2 + frames*(frameHeaderBytes+framePage)/gatherBytes; l.below.writes > want {
		t.Errorf("%d frames are %d writes, want %d", frames, l.below.writes, want)
	}
	if want := 2*frames + 1; l.modelled.writes != want {
		t.Errorf("without gathering they are %d writes, want %d", l.modelled.writes, want)
	}
}

// A write that fails is told of before the commit returns, and what it was to write is not written later.
func TestFailedFramesAreForgotten(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	l := newSQLiteLog(t)
	l.writeFrame(0, 1, true)
	header, page := frame(2, true)
	if _, err := l.file.WriteAt(header, placeOf(1)); err != nil {
		t.Fatal(err)
	}
	l.below.failing = broken
	if _, err := l.file.WriteAt(page, placeOf(1)+frameHeaderBytes); !errors.Is(err, broken) {
		t.Errorf("the commit answers %v, want %v", err, broken)
	}
	l.below.failing = nil
	if err := l.file.Sync(0); err != nil {
		t.Error(err)
	}
	l.committed() // the model never had it
	l.writeFrame(1, 3, true)
	l.committed()
}

// A transaction larger than the cache, which changes its pages again and again, is whole in a copy of the files taken the moment it is
// committed, without a flush.
func TestLargeCommitsAreInTheFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "large.db")
	store, err := File(path, CacheSize(1<<20)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const keys, rounds = 4000, 3
	ref := carillon.ModelRef{Name: "large"}
	value := func(key, round int) []byte { return bytes.Repeat([]byte{byte(key), byte(round)}, 300) }
	for commit := range 2 {
		err := store.ReadModels().Update(t.Context(), ref, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
			for round := range rounds {
				rows := make([]carillon.Row, keys)
				for i := range rows {
					key := i * 1237 % keys
					rows[i] = carillon.Row{Key: fmt.Sprint(key), Value: value(key, commit+round)}
				}
				if err := tx.Put(rows); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy.db")
		for _, suffix := range []string{"", "-wal"} {
			content, err := os.ReadFile(path + suffix)
			if err == nil {
				err = os.WriteFile(copied+suffix, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		again, err := File(copied).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			row, _, err := again.ReadModels().Row(t.Context(), ref, fmt.Sprint(key))
			if err != nil || !bytes.Equal(row.Value, value(key, commit+rounds-1)) {
				t.Fatalf("row %d of commit %d: %.4x…, %v", key, commit, row.Value, err)
			}
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}
