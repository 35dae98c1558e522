package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

const storeForms = "sqlite:PATH, sqlite:///absolute/path or a plain path"

// storeFlag is a store named on the command line.
type storeFlag struct{ url string }

func (s *storeFlag) add(command *cobra.Command) {
	command.Flags().StringVar(&s.url, "store", "", "the store's `URL`: "+storeForms)
}

// path gives the file a store's URL names.
func (s *storeFlag) path() (string, error) {
	scheme, rest, found := strings.Cut(s.url, ":")
	isScheme, err := regexp.MatchString(`^[A-Za-z][A-Za-z0-9+.-]+$`, scheme) // one letter is a Windows drive
	switch {
	case err != nil:
		return "", err
	case s.url == "":
		return "", usagef("--store is missing: name a store as %s", storeForms)
	case !found || !isScheme:
		return s.url, nil
	case !strings.EqualFold(scheme, "sqlite"):
		return "", usagef("--store: no stores of %s here: name a SQLite file as %s", scheme, storeForms) // a URL may hold a password
	case rest == "":
		return "", usagef("--store %s: it names no file: write %s", s.url, storeForms)
	case !strings.HasPrefix(rest, "//"):
		return rest, nil
	}
	return s.absolute()
}

// absolute reads a URL of the form sqlite:///path.
func (s *storeFlag) absolute() (string, error) {
	parsed, err := url.Parse(s.url)
	if err != nil || parsed.Host != "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" || len(parsed.Path) < 2 {
		return "", usagef("--store %s: it has a file's absolute path and nothing else: write %s", s.url, storeForms)
	}
	if runtime.GOOS == "windows" { // sqlite:///C:/shop.db
		return strings.TrimPrefix(parsed.Path, "/"), nil
	}
	return parsed.Path, nil
}

// read opens the store for reading, beside a writer if there is one, and closes it after use.
func (s *storeFlag) read(ctx context.Context, use func(carillon.Store) error) error {
	path, err := s.path()
	if err != nil {
		return err
	}
	return with(ctx, sqlite.ReadOnly(path), use)
}

// write opens the store for writing, making it if it is not there, and closes it after use.
func (s *storeFlag) write(ctx context.Context, use func(carillon.Store) error) error {
	path, err := s.path()
	if err != nil {
		return err
	}
	return with(ctx, sqlite.File(path), use)
}

// change is write for a store that is there already.
func (s *storeFlag) change(ctx context.Context, use func(carillon.Store) error) error {
	path, err := s.path()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return advise(fmt.Errorf("open %s: there is no such file", path), "check --store")
	}
	return with(ctx, sqlite.File(path), use)
}

func with(ctx context.Context, opener carillon.Opener, use func(carillon.Store) error) error {
	store, err := opener.Open(ctx)
	if errors.Is(err, carillon.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return advise(err, "check --store")
	}
	if err != nil {
		return err
	}
	return errors.Join(use(store), store.Close())
}
