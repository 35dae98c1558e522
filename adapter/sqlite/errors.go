package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// translate turns SQLite's errors into those a caller may compare; it keeps the original in the chain.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlite3.FULL), errors.Is(err, syscall.ENOSPC), errors.Is(err, sqlite3.IOERR) && errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: %w", carillon.ErrDiskFull, err)
	case errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		return fmt.Errorf("%w: %w", carillon.ErrCorrupt, err)
	case errors.Is(err, sqlite3.BUSY):
		return fmt.Errorf("%w: %w", carillon.ErrInUse, err)
	default:
		return err
	}
}

// slashed is a path as it stands in a URI, also on Windows.
func slashed(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}
