package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/pressly/goose/v3"

	"github.com/carillon-go/carillon"
)

//go:embed migrations/*.sql
var migrations embed.FS

const migrationTable = "carillon_migrations"

// migrate brings the file's schema up to date. The caller holds the writer's lock.
func migrate(ctx context.Context, path string) error {
	db, err := driver.Open(uri(path, "_txlock=immediate", "_pragma=busy_timeout(5000)", "_pragma=journal_mode(wal)", "_pragma=synchronous(full)"))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if err := checkVersion(ctx, provider); err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// checkSchema checks that a file opened for reading has the schema this version reads.
func checkSchema(ctx context.Context, path string) error {
	db, err := openReadSQL(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var version int64
	if err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM "+migrationTable).Scan(&version); err != nil {
		return fmt.Errorf("read the schema version (is this a Carillon store?): %w", err)
	}
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	if version < newest {
		return fmt.Errorf("its schema is version %d, this program reads %d: open it once for writing to bring it up to date: %w",
			version, newest, carillon.ErrUnsupported)
	}
	return compareVersions(version, newest)
}

func checkVersion(ctx context.Context, provider *goose.Provider) error {
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	return compareVersions(version, newest)
}

func compareVersions(version, newest int64) error {
	if version > newest {
		return fmt.Errorf("its schema is version %d, this program knows %d: use the newer program: %w", version, newest, carillon.ErrSchemaNewer)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true))
}

// newestMigration is the schema version this program knows.
func newestMigration() (int64, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(files[len(files)-1])
}

// openReadSQL opens a pool of read-only connections.
func openReadSQL(path string) (*sql.DB, error) {
	return driver.Open(uri(path, "mode=ro", "_pragma=busy_timeout(5000)", "_pragma=query_only(true)"))
}

// uri is the SQLite URI of a file. Only an absolute path in a file: URI has its parameters honoured.
func uri(path string, parameters ...string) string {
	mode := "modeof=" + strings.ReplaceAll(url.QueryEscape(path), "+", "%20") // the write-ahead log is as private as the file
	u := url.URL{Scheme: "file", OmitHost: true, Path: slashed(path), RawQuery: strings.Join(append(parameters, mode), "&")}
	return u.String()
}
