package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/filesystem"
)

func put(t *testing.T, blobs carillon.Blobs, payload string) string {
	t.Helper()
	reference, err := blobs.Put(t.Context(), "scans", []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return reference
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b")
	blobs := filesystem.Directory(path)
	var putting sync.WaitGroup
	for range 8 {
		putting.Go(func() { put(t, blobs, "the same") })
	}
	putting.Wait()
	for _, payload := range []string{"", "the same", strings.Repeat("large", 1<<20)} {
		reference := put(t, blobs, payload)
		if got, err := filesystem.Directory(path).Get(t.Context(), reference); err != nil || !bytes.Equal(got, []byte(payload)) {
			t.Errorf("%d bytes of %d, error %v", len(got), len(payload), err)
		}
	}
	files := 0
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return nil
	})
	if err != nil || files != 3+1 { // and the marker
		t.Errorf("there are %d files, error %v", files, err)
	}
}

// TestMissing tells a payload that is gone from a place that is not there, such as a disk that is not mounted.
func TestMissing(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	blobs := filesystem.Directory(path)
	reference := put(t, blobs, "gone")
	tests := []struct {
		name string
		path string
		want error
	}{
		{"another directory", t.TempDir(), carillon.ErrUnavailable},
		{"none", filepath.Join(path, "none"), carillon.ErrUnavailable},
		{"the directory", path, carillon.ErrNotFound},
	}
	if err := os.Remove(filepath.Join(path, filepath.FromSlash(reference))); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		_, err := filesystem.Directory(test.path).Get(t.Context(), reference)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := filesystem.Directory(file).Put(t.Context(), "scans", nil); !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("a file in place of the directory: %v", err)
	}
}

// TestReferencesLeadNowhereElse asks for files that are no payloads.
func TestReferencesLeadNowhereElse(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	blobs := filesystem.Directory(filepath.Join(path, "blobs"))
	reference := put(t, blobs, "fine")
	if err := os.WriteFile(filepath.Join(path, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest := reference[strings.LastIndex(reference, "/")+1:]
	for _, other := range []string{
		"", "secret", "../secret", "scans/../../secret", "/etc/passwd", "../scans/2026-01-01/" + digest, "scans/../" + digest, "scans/2026-01-01/..",
		"scans/2026-01-01/" + digest[2:], reference + "/x",
	} {
		if got, err := blobs.Get(t.Context(), other); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("%q: %q, error %v", other, got, err)
		}
	}
	if _, err := blobs.Put(t.Context(), "../scans", nil); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("a topic that is a path: %v", err)
	}
}

// TestSweep removes the payloads of days long past, and leaves what was put since, under the same digest too.
func TestSweep(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	blobs := filesystem.Directory(path)
	first, other := put(t, blobs, "first"), put(t, blobs, "other")
	today := filepath.Join(path, "scans", strings.Split(first, "/")[1])
	old := time.Now().UTC().AddDate(0, 0, -5).Format(time.DateOnly)
	if err := os.Rename(today, filepath.Join(path, "scans", old)); err != nil {
		t.Fatal(err)
	}
	again := put(t, blobs, "first")
	sweep := func(days, want int) {
		t.Helper()
		if removed, err := blobs.Sweep(t.Context(), "scans", time.Now().AddDate(0, 0, -days)); err != nil || removed != want {
			t.Errorf("%d payloads removed that are older than %d days, error %v, want %d", removed, days, err, want)
		}
	}
	sweep(6, 0)
	sweep(3, 2)
	sweep(0, 0)
	if removed, err := blobs.Sweep(t.Context(), "unheard-of", time.Now()); err != nil || removed != 0 {
		t.Errorf("%d payloads of no topic removed, error %v", removed, err)
	}
	if _, err := blobs.Get(t.Context(), strings.Replace(other, strings.Split(first, "/")[1], old, 1)); !errors.Is(err, carillon.ErrNotFound) {
		t.Errorf("swept: %v", err)
	}
	if got, err := blobs.Get(t.Context(), again); err != nil || string(got) != "first" {
		t.Errorf("put again: %q, error %v", got, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := blobs.Get(stopped, again); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
}
