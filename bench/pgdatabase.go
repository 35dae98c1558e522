package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/eventlog"
)

// dropLimit is how long removing the schemas of a contest may take.
const dropLimit = time.Minute

// pgDatabase hands out schemas of a PostgreSQL database, and removes them when it is closed.
type pgDatabase struct {
	url    string
	prefix string

	mu      sync.Mutex
	made    int
	schemas []string
	open    []*product
}

// openPG checks the database. Without one the contest is skipped; with one that does not flush, it fails.
func openPG(ctx context.Context, w *workspace) (*pgDatabase, error) {
	if w.postgres == "" {
		return nil, fmt.Errorf("%w: there is no PostgreSQL: set -postgres or CARILLON_TEST_POSTGRES", errSkip)
	}
	d := &pgDatabase{url: w.postgres, prefix: "carillon_bench_" + strings.ToLower(rand.Text()[:8])}
	_, err := pgOnce(ctx, d, func(conn *pgx.Conn) (struct{}, error) {
		var flush, commit string
		err := conn.QueryRow(ctx, "SELECT current_setting('fsync'), current_setting('synchronous_commit')").Scan(&flush, &commit)
		if err == nil && (flush != "on" || commit != "on") {
			err = fmt.Errorf("PostgreSQL runs with fsync=%s and synchronous_commit=%s: both must be on", flush, commit)
		}
		return struct{}{}, err
	})
	return d, err
}

// pgOnce calls a function with a connection of its own.
func pgOnce[T any](ctx context.Context, d *pgDatabase, call func(*pgx.Conn) (T, error)) (value T, err error) {
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return value, errors.New("PostgreSQL cannot be reached: " + pgReason(err))
	}
	defer conn.Close(ctx)
	return call(conn)
}

// pgReason is the cause of a failed connection without the URL, which may hold a password.
func pgReason(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// exec runs statements one after another.
func (d *pgDatabase) exec(ctx context.Context, statements ...string) error {
	_, err := pgOnce(ctx, d, func(conn *pgx.Conn) (struct{}, error) {
		for _, statement := range statements {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return struct{}{}, fmt.Errorf("%s: %w", statement, err)
			}
		}
		return struct{}{}, nil
	})
	return err
}

// name returns the name of a schema that is not there.
func (d *pgDatabase) name() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	name := fmt.Sprintf("%s_%d", d.prefix, d.made)
	d.schemas = append(d.schemas, name)
	return name
}

// pool opens so many connections whose statements find the tables of a schema.
func (d *pgDatabase) pool(ctx context.Context, schema string, connections int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(d.url)
	if err != nil {
		return nil, errors.New("the URL of PostgreSQL cannot be read")
	}
	config.MaxConns = connections
	config.ConnConfig.RuntimeParams["search_path"] = schema
	return pgxpool.NewWithConfig(ctx, config)
}

// tables makes tables in a new schema, with so many connections that find them and stand.
func (d *pgDatabase) tables(ctx context.Context, schema, statements string, connections int32) (*pgxpool.Pool, error) {
	pool, err := d.pool(ctx, schema, connections)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, "CREATE SCHEMA "+schema+"; SET search_path = "+schema+"; "+statements)
	if err == nil {
		err = connect(ctx, pool, int(connections))
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// connect opens all connections of a pool.
func connect(ctx context.Context, pool *pgxpool.Pool, connections int) error {
	held := make([]*pgxpool.Conn, 0, connections)
	defer func() {
		for _, conn := range held {
			conn.Release()
		}
	}()
	for range connections {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		held = append(held, conn)
	}
	return nil
}

// product opens Carillon in a schema at its default settings.
func (d *pgDatabase) product(ctx context.Context, schema string) (*product, error) {
	store, err := postgres.URL(d.url, postgres.Schema(schema)).Open(ctx)
	if err != nil {
		return nil, err
	}
	return &product{store: store, log: eventlog.New(store.Log())}, nil
}

// kept opens Carillon in a schema until the database is closed.
func (d *pgDatabase) kept(ctx context.Context, schema string) (*product, error) {
	p, err := d.product(ctx, schema)
	if err == nil {
		d.open = append(d.open, p)
	}
	return p, err
}

// tidy brings a filled schema into the state it has in service: statistics are there, and nothing waits to be written.
func (d *pgDatabase) tidy(ctx context.Context, tables ...string) error {
	statements := make([]string, 0, len(tables)+1)
	for _, table := range tables {
		statements = append(statements, "VACUUM (ANALYZE) "+table)
	}
	return d.exec(ctx, append(statements, "CHECKPOINT")...)
}

// drop removes a schema.
func (d *pgDatabase) drop(schema string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dropLimit)
	defer cancel()
	return d.exec(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
}

// close closes what is kept open and removes every schema.
func (d *pgDatabase) close() error {
	var err error
	for _, p := range d.open {
		err = errors.Join(err, p.close())
	}
	for _, schema := range d.schemas {
		err = errors.Join(err, d.drop(schema))
	}
	return err
}

// onProduct runs work with Carillon in an empty schema, which is gone afterwards.
func (d *pgDatabase) onProduct(ctx context.Context, work func(schema string, p *product) (result, error)) (result, error) {
	schema := d.name()
	p, err := d.product(ctx, schema)
	if err != nil {
		return result{}, err
	}
	got, err := work(schema, p)
	return got, errors.Join(err, p.close(), d.drop(schema))
}
