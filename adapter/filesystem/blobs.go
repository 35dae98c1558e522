package filesystem

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/carillon-go/carillon"
)

// Blobs is a directory of payloads. It implements [carillon.Blobs] and is safe for concurrent use, also by several processes.
type Blobs struct {
	path string
}

const (
	directoryMode = 0o700
	fileMode      = 0o600
	// marker tells a directory that payloads were put into from an empty one.
	marker = ".carillon-blobs"
	// partial begins the names of files that are not whole yet.
	partial = ".partial-"
)

// Directory names a directory; the first Put makes it if it is not there. It does no I/O.
func Directory(path string) *Blobs { return &Blobs{path: path} }

// Describe names the directory.
func (b *Blobs) Describe() carillon.Description {
	return carillon.Description{Kind: "blobs", Name: b.path}
}

// Put keeps a payload.
func (b *Blobs) Put(ctx context.Context, topic string, payload []byte) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := (carillon.Topic{Name: topic}).Check(); err != nil {
		return "", err
	}
	digest := sha256.Sum256(payload)
	reference := strings.Join([]string{topic, time.Now().UTC().Format(time.DateOnly), hex.EncodeToString(digest[:])}, "/")
	if err := b.put(reference, payload); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return "", fmt.Errorf("keep a payload of topic %q: %w: %w", topic, carillon.ErrDiskFull, err)
		}
		return "", fmt.Errorf("keep a payload of topic %q: %w: %w", topic, carillon.ErrUnavailable, err)
	}
	return reference, nil
}

func (b *Blobs) put(reference string, payload []byte) error {
	path := b.file(reference)
	day := filepath.Dir(path)
	if err := b.prepare(day); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(payload)) {
		return flushDirectory(day) // whoever put it may not have come that far
	}
	file, err := os.CreateTemp(day, partial+"*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(payload)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return flushDirectory(day)
}

// prepare makes the directory of a day, and the marker, and flushes what leads to them.
func (b *Blobs) prepare(day string) error {
	if _, err := os.Stat(day); err == nil {
		return nil
	}
	if err := os.MkdirAll(day, directoryMode); err != nil {
		return err
	}
	mark, err := os.OpenFile(filepath.Join(b.path, marker), os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	err = errors.Join(mark.Sync(), mark.Close())
	for _, above := range []string{filepath.Dir(day), b.path, filepath.Dir(b.path)} {
		if err == nil {
			err = flushDirectory(above)
		}
	}
	return err
}

// flushDirectory flushes the names in a directory. Windows has no such thing, and needs none.
func flushDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// Get returns a payload.
func (b *Blobs) Get(ctx context.Context, reference string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkReference(reference); err != nil {
		return nil, err
	}
	payload, err := os.ReadFile(b.file(reference))
	switch {
	case err == nil:
		return payload, nil
	case errors.Is(err, fs.ErrNotExist) && b.reached():
		return nil, fmt.Errorf("payload %s: %w", reference, carillon.ErrNotFound)
	default:
		return nil, fmt.Errorf("payload %s: %w: %w", reference, carillon.ErrUnavailable, err)
	}
}

// reached reports whether the directory is one that payloads were put into.
func (b *Blobs) reached() bool {
	_, err := os.Stat(filepath.Join(b.path, marker))
	return err == nil
}

// Sweep removes the payloads of days that were over before a time.
func (b *Blobs) Sweep(ctx context.Context, topic string, before time.Time) (removed int, err error) {
	if err := (carillon.Topic{Name: topic}).Check(); err != nil {
		return 0, err
	}
	days, err := os.ReadDir(filepath.Join(b.path, topic))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, entry := range days {
		day, malformed := time.Parse(time.DateOnly, entry.Name())
		if malformed != nil || day.AddDate(0, 0, 1).After(before) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		path := filepath.Join(b.path, topic, entry.Name())
		files, err := os.ReadDir(path)
		if err == nil {
			err = os.RemoveAll(path)
		}
		if err != nil {
			return removed, err
		}
		for _, file := range files {
			if !strings.HasPrefix(file.Name(), partial) {
				removed++
			}
		}
	}
	return removed, err
}

func (b *Blobs) file(reference string) string {
	return filepath.Join(b.path, filepath.FromSlash(reference))
}

// checkReference refuses what Put does not return: references come with messages, and lead nowhere else.
func checkReference(reference string) error {
	parts := strings.Split(reference, "/")
	if len(parts) == 3 {
		_, malformed := time.Parse(time.DateOnly, parts[1])
		digest, unreadable := hex.DecodeString(parts[2])
		if (carillon.Topic{Name: parts[0]}).Check() == nil && malformed == nil && unreadable == nil && len(digest) == sha256.Size {
			return nil
		}
	}
	return carillon.Invalidf(fmt.Sprintf("reference %q", reference), "it is topic/day/digest")
}
