package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-go/carillon"
)

// leases are the leases of a store, by the database's clock. They are asked for on the connection in reserve.
type leases Store

func (l *leases) store() *Store { return (*Store)(l) }

// Claim takes a lease that is free, or renews one's own. It does not wait for a transaction that is fenced with the lease: a process
// that stands still inside one would hold up those who look for work.
func (l *leases) Claim(ctx context.Context, name, holder string, ttl time.Duration) (carillon.Lease, error) {
	const text = `INSERT INTO {{schema}}.leases AS k VALUES ($1, $2, 1, clock_timestamp() + $3::interval)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires,
			epoch = k.epoch + CASE WHEN k.holder = excluded.holder AND k.expires > clock_timestamp() THEN 0 ELSE 1 END
		WHERE k.holder = excluded.holder OR k.expires <= clock_timestamp()
		RETURNING epoch`
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return carillon.Lease{}, err
	}
	lease := carillon.Lease{Name: name, Holder: holder}
	batch := &pgx.Batch{} // one transaction
	batch.Queue("SELECT set_config('lock_timeout', '100ms', true)")
	batch.Queue(s.texts.fill(text), name, holder, ttl).QueryRow(func(row pgx.Row) error { return row.Scan(&lease.Epoch) })
	err := s.reserve.SendBatch(ctx, batch).Close()
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok && failure.Code == codeLockNotAvailable || errors.Is(err, pgx.ErrNoRows) {
		return carillon.Lease{}, fmt.Errorf("lease %q: %w", name, carillon.ErrLeaseHeld)
	}
	return lease, ended(ctx, err)
}

// Renew extends what a holder still has. A lease that a transaction is fenced with is passed over, and returned all the same: it cannot
// change hands before that ends, and others of the holder do not wait for it.
func (l *leases) Renew(ctx context.Context, holder string, ttl time.Duration) ([]carillon.Lease, error) {
	const text = `WITH free AS (SELECT name FROM {{schema}}.leases WHERE holder = $1 AND expires > '-infinity' FOR NO KEY UPDATE SKIP LOCKED),
		renewed AS (UPDATE {{schema}}.leases k SET expires = clock_timestamp() + $2::interval FROM free WHERE k.name = free.name)
		SELECT name, holder, epoch FROM {{schema}}.leases WHERE holder = $1 AND expires > '-infinity'`
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.reserve.Query(ctx, s.texts.fill(text), holder, ttl)
	if err != nil {
		return nil, ended(ctx, err)
	}
	held, err := pgx.CollectRows(rows, pgx.RowToStructByPos[carillon.Lease])
	return held, ended(ctx, err)
}

// Release gives leases up.
func (l *leases) Release(ctx context.Context, given ...carillon.Lease) error {
	const text = `UPDATE {{schema}}.leases k SET expires = '-infinity' FROM unnest($1::text[], $2::bigint[]) u (name, epoch)
		WHERE k.name = u.name AND k.epoch = u.epoch`
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return err
	}
	names, epochs := make([]string, len(given)), make([]int64, len(given))
	for i, lease := range given {
		names[i], epochs[i] = lease.Name, lease.Epoch
	}
	_, err := s.reserve.Exec(ctx, s.texts.fill(text), names, epochs)
	return ended(ctx, err)
}

// List returns leases in order of name.
func (l *leases) List(ctx context.Context, prefix string) ([]carillon.LeaseInfo, error) {
	const text = `SELECT name, holder, epoch, CASE WHEN expires > '-infinity' THEN extract(epoch FROM expires - clock_timestamp()) ELSE 0 END::float8
		FROM {{schema}}.leases WHERE starts_with(name, $1) ORDER BY name`
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.reserve.Query(ctx, s.texts.fill(text), prefix)
	if err != nil {
		return nil, ended(ctx, err)
	}
	var infos []carillon.LeaseInfo
	info, left := carillon.LeaseInfo{}, 0.0
	_, err = pgx.ForEachRow(rows, []any{&info.Name, &info.Holder, &info.Epoch, &left}, func() error {
		info.Left = time.Duration(left * float64(time.Second))
		infos = append(infos, info)
		return nil
	})
	return infos, ended(ctx, err)
}
