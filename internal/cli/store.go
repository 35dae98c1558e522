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
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

const (
	storeForms = "sqlite:PATH, sqlite:///absolute/path, a plain path or postgres://USER@HOST/DATABASE"
	fileForms  = "sqlite:PATH, sqlite:///absolute/path or a plain path"
)

// storeFlag is a store named on the command line.
type storeFlag struct{ url string }

func (s *storeFlag) add(command *cobra.Command) {
	command.Flags().StringVar(&s.url, "store", "", "the store's `URL`: "+storeForms)
}

// scheme is the part before the colon in small letters, empty for a plain path.
func (s *storeFlag) scheme() string {
	scheme, _, found := strings.Cut(s.url, ":")
	isScheme := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+$`).MatchString(scheme) // one letter is a Windows drive
	if !found || !isScheme {
		return ""
	}
	return strings.ToLower(scheme)
}

// isServer reports whether the URL names a database server.
func (s *storeFlag) isServer() bool { return s.scheme() == "postgres" || s.scheme() == "postgresql" }

// path gives the file a store's URL names.
func (s *storeFlag) path() (string, error) {
	_, rest, _ := strings.Cut(s.url, ":")
	switch {
	case s.url == "":
		return "", usagef("--store is missing: name a store as %s", storeForms)
	case s.scheme() == "":
		return s.url, nil
	case s.scheme() != "sqlite":
		return "", usagef("--store: no stores of %s here: name one as %s", s.scheme(), storeForms) // a URL may hold a password
	case rest == "":
		return "", usagef("--store %s: it names no file: write %s", s.url, fileForms)
	case !strings.HasPrefix(rest, "//"):
		return rest, nil
	}
	return s.absolute()
}

// server gives the database a store's URL names. The parameters schema and pooler are ours; the others are the driver's.
func (s *storeFlag) server(options ...postgres.Option) (carillon.Opener, error) {
	parsed, err := url.Parse(s.url)
	if err != nil {
		return nil, usagef("--store: the URL cannot be read: write postgres://USER:PASSWORD@HOST:PORT/DATABASE") // it may hold a password
	}
	parameters := parsed.Query()
	if schema := parameters.Get("schema"); schema != "" {
		options = append(options, postgres.Schema(schema))
	}
	switch pooler := parameters.Get("pooler"); pooler {
	case "":
	case "transaction":
		options = append(options, postgres.PgBouncer())
	default:
		return nil, usagef("--store: pooler=%s: the one kind is transaction", pooler)
	}
	parameters.Del("schema")
	parameters.Del("pooler")
	parsed.RawQuery = parameters.Encode()
	return postgres.URL(parsed.String(), options...), nil
}

// absolute reads a URL of the form sqlite:///path.
func (s *storeFlag) absolute() (string, error) {
	parsed, err := url.Parse(s.url)
	if err != nil || parsed.Host != "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" || len(parsed.Path) < 2 {
		return "", usagef("--store %s: it has a file's absolute path and nothing else: write %s", s.url, fileForms)
	}
	if runtime.GOOS == "windows" { // sqlite:///C:/shop.db
		return strings.TrimPrefix(parsed.Path, "/"), nil
	}
	return parsed.Path, nil
}

// opener gives the store as it is opened for writing, made if it is not there.
func (s *storeFlag) opener() (carillon.Opener, error) {
	if s.isServer() {
		return s.server()
	}
	path, err := s.path()
	return sqlite.File(path), err
}

// read opens the store for reading, beside writers if there are any, and closes it after use.
func (s *storeFlag) read(ctx context.Context, use func(carillon.Store) error) error {
	if s.isServer() {
		return s.change(ctx, use)
	}
	path, err := s.path()
	if err != nil {
		return err
	}
	return with(ctx, sqlite.ReadOnly(path), use)
}

// write opens the store for writing, making it if it is not there, and closes it after use.
func (s *storeFlag) write(ctx context.Context, use func(carillon.Store) error) error {
	opener, err := s.opener()
	if err != nil {
		return err
	}
	return with(ctx, opener, use)
}

// change is write for a store that is there already.
func (s *storeFlag) change(ctx context.Context, use func(carillon.Store) error) error {
	if s.isServer() {
		opener, err := s.server(postgres.Existing())
		if err != nil {
			return err
		}
		return with(ctx, opener, use)
	}
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
	if errors.Is(err, postgres.ErrUnreachable) {
		return advise(err, "check --store, and that the server runs")
	}
	if err != nil {
		return err
	}
	return errors.Join(use(store), store.Close())
}
