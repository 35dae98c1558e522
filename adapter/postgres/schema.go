package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/carillon-go/carillon"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. Of several processes that start at once, one does it and the others wait: the lock belongs
// to a transaction, so that it works through a pooler and ends with the process. That transaction holds the connection in reserve: the
// pool may have no more than one.
func (s *Store) migrate(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.reserve, func(tx pgx.Tx) error {
		name := fnv.New64a()
		name.Write([]byte("carillon migrations " + s.source.schema))
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(name.Sum64())); err != nil {
			return err
		}
		version, err := s.schemaVersion(ctx, tx)
		if err != nil {
			return err
		}
		steps, err := s.steps()
		if err != nil {
			return err
		}
		newest := steps[len(steps)-1].Version
		if version > newest {
			return fmt.Errorf("its schema is version %d, this program knows %d: use the newer program: %w", version, newest, carillon.ErrSchemaNewer)
		}
		if version == newest {
			return nil
		}
		if version == 0 && s.source.existing {
			return fmt.Errorf("there is no store in it: %w", carillon.ErrNotFound)
		}
		if _, err := s.pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+s.source.schema); err != nil {
			return err
		}
		provider, err := goose.NewProvider(goose.DialectPostgres, s.db, nil, goose.WithDisableGlobalRegistry(true),
			goose.WithTableName(s.source.schema+".migrations"), goose.WithGoMigrations(steps...))
		if err != nil {
			return err
		}
		_, err = provider.Up(ctx)
		return err
	})
}

// schemaVersion is the version of the schema in the database, 0 when there is none.
func (s *Store) schemaVersion(ctx context.Context, tx pgx.Tx) (version int64, err error) {
	var there bool
	err = tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.source.schema+".migrations").Scan(&there)
	if err != nil || !there {
		return 0, err
	}
	err = tx.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+s.source.schema+".migrations WHERE is_applied").Scan(&version)
	return version, err
}

// steps are the migrations, with the schema's name filled in.
func (s *Store) steps() ([]*goose.Migration, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	steps := make([]*goose.Migration, len(files))
	for i, file := range files {
		text, err := migrations.ReadFile(file)
		if err != nil {
			return nil, err
		}
		version, err := goose.NumericComponent(file)
		if err != nil {
			return nil, err
		}
		steps[i] = goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, strings.ReplaceAll(string(text), "{{schema}}", s.source.schema))
			return err
		}}, nil)
	}
	if len(steps) == 0 {
		return nil, errors.New("no migrations are built in")
	}
	return steps, nil
}
