package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
)

// snapshots is the snapshot cache of a store.
type snapshots Store

func (s *snapshots) store() *Store { return (*Store)(s) }

const selectSnapshot = "SELECT at, fingerprint, state FROM {{schema}}.snapshots WHERE key = $1"

// readSnapshot reads a snapshot, a zero one when there is none.
func readSnapshot(row pgx.Row, key string) (carillon.Snapshot, error) {
	snapshot := carillon.Snapshot{Key: key}
	err := row.Scan(&snapshot.At, &snapshot.Fingerprint, &snapshot.State)
	if errors.Is(err, pgx.ErrNoRows) {
		return carillon.Snapshot{}, nil
	}
	return snapshot, err
}

// LoadSnapshot returns the snapshot of a key.
func (s *snapshots) LoadSnapshot(ctx context.Context, key string) (carillon.Snapshot, error) {
	store := s.store()
	if err := store.usable(ctx); err != nil {
		return carillon.Snapshot{}, err
	}
	snapshot, err := readSnapshot(store.pool.QueryRow(ctx, store.texts.fill(selectSnapshot), []byte(key)), key)
	if err == nil && snapshot.Key == "" {
		err = carillon.ErrNotFound
	}
	return snapshot, ended(ctx, err)
}

// SaveSnapshot replaces an earlier snapshot, or one of another fingerprint. It does not wait for the disk.
func (s *snapshots) SaveSnapshot(ctx context.Context, snapshot carillon.Snapshot) error {
	const text = `INSERT INTO {{schema}}.snapshots AS k VALUES ($1, $2, $3, $4)
		ON CONFLICT (key) DO UPDATE SET at = excluded.at, fingerprint = excluded.fingerprint, state = excluded.state
		WHERE excluded.at >= k.at OR excluded.fingerprint <> k.fingerprint`
	store := s.store()
	if err := store.usable(ctx); err != nil {
		return err
	}
	state := snapshot.State
	if state == nil {
		state = []byte{}
	}
	batch := &pgx.Batch{} // statements of one batch share a transaction
	batch.Queue(notFlushed)
	batch.Queue(store.texts.fill(text), []byte(snapshot.Key), snapshot.At, snapshot.Fingerprint, state)
	return ended(ctx, store.pool.SendBatch(ctx, batch).Close())
}
