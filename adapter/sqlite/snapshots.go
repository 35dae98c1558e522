package sqlite

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// snapshots is the snapshot cache of a store.
type snapshots Store

func (s *snapshots) store() *Store { return (*Store)(s) }

// LoadSnapshot returns the snapshot of a key.
func (s *snapshots) LoadSnapshot(ctx context.Context, key string) (carillon.Snapshot, error) {
	var snapshot carillon.Snapshot
	err := s.store().read(ctx, func(conn *connection) error {
		return loadSnapshot(conn, key, func(found carillon.Snapshot) error {
			snapshot = found
			return nil
		})
	})
	if err == nil && snapshot.Key == "" {
		err = carillon.ErrNotFound
	}
	return snapshot, err
}

// loadSnapshot calls found with the snapshot of a key, if there is one, within the transaction that read it.
func loadSnapshot(conn *connection, key string, found func(carillon.Snapshot) error) error {
	return conn.query("SELECT at, fingerprint, state FROM carillon_snapshots WHERE key = ?", func(stmt *sqlite3.Stmt) error {
		return stmt.BindText(1, key)
	}, func(stmt *sqlite3.Stmt) error {
		return found(carillon.Snapshot{
			Key: key, At: stmt.ColumnInt64(0), Fingerprint: stmt.ColumnText(1), State: stmt.ColumnBlob(2, nil),
		})
	})
}

// SaveSnapshot replaces an earlier snapshot, or one of another fingerprint.
func (s *snapshots) SaveSnapshot(ctx context.Context, snapshot carillon.Snapshot) error {
	const text = `INSERT INTO carillon_snapshots VALUES (?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET at = excluded.at, fingerprint = excluded.fingerprint, state = excluded.state
		WHERE excluded.at >= at OR excluded.fingerprint <> fingerprint`
	store := s.store()
	if err := store.writable(ctx); err != nil {
		return err
	}
	w := store.writer
	if err := w.lock(ctx, carillon.Refoldable); err != nil {
		return err
	}
	defer w.unlock()
	return w.transaction(ctx, func() error {
		return w.conn.exec(text, func(stmt *sqlite3.Stmt) error {
			return errors.Join(stmt.BindText(1, snapshot.Key), stmt.BindInt64(2, snapshot.At),
				stmt.BindText(3, snapshot.Fingerprint), stmt.BindBlob(4, snapshot.State))
		})
	})
}
