package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// Store is an open schema of a PostgreSQL database. Any number of processes may have it open.
type Store struct {
	source   Source
	pool     *pgxpool.Pool
	reserve  *pgxpool.Pool // one connection beside the pool, for leases and for the lock of migrations
	db       *sql.DB       // the pool's connections as database/sql knows them
	names    *typeNames
	hub      *topics.Hub
	unsafe   string       // the setting that lets power take what was confirmed
	received atomic.Int64 // receipts since old ones were deleted
	session  uuid.UUID    // this store's, for as long as it is open
	attempts attempts
	window   window
	closed   atomic.Bool
	once     sync.Once
	texts    texts
}

func open(ctx context.Context, source Source, config *pgxpool.Config) (*Store, error) {
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", source.Describe().Name, err)
	}
	reserve, err := pgxpool.NewWithConfig(ctx, reserved(config))
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open %s: %w", source.Describe().Name, err)
	}
	s := &Store{
		source: source, pool: pool, reserve: reserve, db: stdlib.OpenDBFromPool(pool), names: newTypeNames(), session: uuid.Must(uuid.NewRandomFromReader(rand.Reader)),
		texts: texts{schema: source.schema},
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s, schema %s: %w", source.Describe().Name, source.schema, translate(err)), s.Close())
	}
	s.hub = newHub(s)
	return s, nil
}

// reserved is the configuration of a pool of one connection, which is made when it is needed. Transactions that hold all of the pool
// cannot keep the leases they run under from being renewed.
func reserved(config *pgxpool.Config) *pgxpool.Config {
	one := config.Copy()
	one.MaxConns, one.MinConns, one.MinIdleConns = 1, 0, 0
	return one
}

func (s *Store) prepare(ctx context.Context) error {
	var isolation, version string
	err := s.pool.QueryRow(ctx, `SELECT current_setting('default_transaction_isolation'), current_setting('server_version_num'),
		CASE WHEN current_setting('fsync') = 'off' THEN 'fsync' WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit'
			WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes' ELSE '' END`).Scan(&isolation, &version, &s.unsafe)
	if err != nil {
		return err
	}
	if len(version) < 6 || version < "130000" {
		return fmt.Errorf("the server's version number is %s, 130000 is the oldest that will do: %w", version, carillon.ErrEngineTooOld)
	}
	if isolation != "read committed" {
		return carillon.Invalidf("default_transaction_isolation",
			"it is %q, appends ask for read committed: set it for the role, as in ALTER ROLE … SET default_transaction_isolation = 'read committed'", isolation)
	}
	return s.migrate(ctx)
}

// Log returns the event log.
func (s *Store) Log() carillon.Log { return (*eventLog)(s) }

// ReadModels returns the read models.
func (s *Store) ReadModels() carillon.ReadModels { return (*readModels)(s) }

// Snapshots returns the snapshot cache.
func (s *Store) Snapshots() carillon.Snapshots { return (*snapshots)(s) }

// Leases returns the leases.
func (s *Store) Leases() carillon.Leases { return (*leases)(s) }

// DeadLetters returns the parked events.
func (s *Store) DeadLetters() carillon.DeadLetters { return (*deadLetters)(s) }

// ReadSQL returns the pool's connections. Nothing keeps a query from writing through them but the database's own rights.
func (s *Store) ReadSQL() *sql.DB { return s.db }

// Pool returns the pool of connections, for what goes beyond the ports. The store closes it.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Describe describes the database the store was opened from.
func (s *Store) Describe() carillon.Description { return s.source.Describe() }

// Close waits for what is under way and closes the connections.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		if s.hub != nil {
			err = s.hub.Close()
		}
		s.closed.Store(true)
		err = errors.Join(err, s.db.Close())
		s.pool.Close()
		s.reserve.Close()
	})
	return err
}

// usable reports why a call cannot be served, if it cannot.
func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return carillon.ErrClosed
	}
	return ctx.Err()
}
