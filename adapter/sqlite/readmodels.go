package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// readModels are the read models of a store.
type readModels Store

func (r *readModels) store() *Store { return (*Store)(r) }

// Update runs fn in one transaction of the writer. One process has the file, so a model has one segment: any other than 0 is refused
// with [carillon.ErrUnsupported].
func (r *readModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	s := r.store()
	if err := s.writable(ctx); err != nil {
		return err
	}
	if ref.Segment != 0 {
		return fmt.Errorf("segment %d of %q: a file has one process and a model one segment: %w", ref.Segment, ref.Name, carillon.ErrUnsupported)
	}
	w := s.writer
	if err := w.lock(ctx, durability); err != nil {
		return err
	}
	defer w.unlock()
	tx := &update{conn: w.conn, writer: w, hub: s.hub, ref: ref, session: w.session}
	err := w.transaction(ctx, func() error {
		if err := tx.open(); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		return tx.broken
	})
	if err == nil {
		s.hub.Announce(tx.published)
	}
	return err
}

// update is one read model inside the writer's transaction.
type update struct {
	conn       *connection
	writer     *writer
	hub        *topics.Hub
	ref        carillon.ModelRef
	session    *sql.Conn
	id         int64
	checkpoint carillon.Position
	published  []*topics.Publication
	broken     error // messages were written in part
}

// open finds the model's number, giving it one when it is new.
func (u *update) open() error {
	id, checkpoint, err := findModel(u.conn, u.ref)
	u.id, u.checkpoint = id, checkpoint
	if !errors.Is(err, carillon.ErrNotFound) {
		return err
	}
	err = u.conn.exec("INSERT INTO carillon_models (name, shadow, checkpoint) VALUES (?, ?, 0)", func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindText(1, u.ref.Name), stmt.BindBool(2, u.ref.Shadow))
	})
	u.id = u.conn.LastInsertRowID()
	return err
}

func findModel(conn *connection, ref carillon.ModelRef) (id int64, checkpoint carillon.Position, err error) {
	err = conn.query("SELECT id, checkpoint FROM carillon_models WHERE name = ? AND shadow = ?", func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindText(1, ref.Name), stmt.BindBool(2, ref.Shadow))
	}, func(stmt *sqlite3.Stmt) error {
		id, checkpoint = stmt.ColumnInt64(0), carillon.Position(stmt.ColumnInt64(1))
		return nil
	})
	if err == nil && id == 0 {
		err = carillon.ErrNotFound
	}
	return id, checkpoint, err
}

func (u *update) Checkpoint() (carillon.Position, error) { return u.checkpoint, nil }

func (u *update) Row(key string) (carillon.Row, error) { return readRow(u.conn, u.id, key) }

func readRow(conn *connection, model int64, key string) (carillon.Row, error) {
	row, found := carillon.Row{Key: key}, false
	err := conn.query("SELECT value, version FROM carillon_rows WHERE model = ? AND key = ?", func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindInt64(1, model), stmt.BindText(2, key))
	}, func(stmt *sqlite3.Stmt) error {
		row.Value, row.Version, found = stmt.ColumnBlob(0, []byte{}), stmt.ColumnInt64(1), true
		return nil
	})
	if err == nil && !found {
		err = carillon.ErrNotFound
	}
	return row, err
}

func (u *update) Put(rows []carillon.Row) error {
	const text = `INSERT INTO carillon_rows (model, key, value, version) VALUES (?, ?, ?, ?)
		ON CONFLICT (model, key) DO UPDATE SET value = excluded.value, version = excluded.version`
	for _, row := range rows {
		if row.Value == nil {
			if err := u.delete(row.Key); err != nil {
				return err
			}
			continue
		}
		stmt, err := u.conn.statement(text)
		if err != nil {
			return err
		}
		err = firstError(
			stmt.BindInt64(1, u.id), stmt.BindText(2, row.Key), stmt.BindBlob(3, row.Value), stmt.BindInt64(4, row.Version), stmt.Exec(),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *update) delete(key string) error {
	return u.conn.exec("DELETE FROM carillon_rows WHERE model = ? AND key = ?", func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindInt64(1, u.id), stmt.BindText(2, key))
	})
}

func (u *update) Advance(to carillon.Position) error {
	u.checkpoint = to
	return u.conn.exec("UPDATE carillon_models SET checkpoint = ? WHERE id = ?", func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindInt64(1, int64(to)), stmt.BindInt64(2, u.id))
	})
}

func (u *update) Clear() error {
	if err := dropRows(u.conn, u.id); err != nil {
		return err
	}
	if err := dropLetters(u.conn, u.ref); err != nil {
		return err
	}
	return u.Advance(0)
}

func dropRows(conn *connection, model int64) error {
	return conn.exec("DELETE FROM carillon_rows WHERE model = ?", func(stmt *sqlite3.Stmt) error { return stmt.BindInt64(1, model) })
}

// SQL gives access to the file's other tables within the transaction: the session's statements run on the writer's connection.
func (u *update) SQL() carillon.SQLExecutor { return executor{u.session} }

// executor hides all of a session but statements.
type executor struct{ carillon.SQLExecutor }

// Row returns one row and the checkpoint it is as of, in one statement, so that a switch cannot come between.
func (r *readModels) Row(ctx context.Context, ref carillon.ModelRef, key string) (carillon.Row, carillon.Position, error) {
	const text = `SELECT m.checkpoint, r.value, r.version, r.id IS NOT NULL FROM carillon_models m
		LEFT JOIN carillon_rows r ON r.model = m.id AND r.key = ? WHERE m.name = ? AND m.shadow = ?`
	row, found := carillon.Row{Key: key}, false
	var checkpoint carillon.Position
	err := r.store().read(ctx, func(conn *connection) error {
		return conn.query(text, func(stmt *sqlite3.Stmt) error {
			return errors.Join(stmt.BindText(1, key), stmt.BindText(2, ref.Name), stmt.BindBool(3, ref.Shadow))
		}, func(stmt *sqlite3.Stmt) error {
			checkpoint = carillon.Position(stmt.ColumnInt64(0))
			row.Value, row.Version, found = stmt.ColumnBlob(1, []byte{}), stmt.ColumnInt64(2), stmt.ColumnBool(3)
			return nil
		})
	})
	if err == nil && !found {
		return carillon.Row{}, checkpoint, carillon.ErrNotFound
	}
	return row, checkpoint, err
}

// Rows returns rows in order of key.
func (r *readModels) Rows(ctx context.Context, ref carillon.ModelRef, after string, limit int) ([]carillon.Row, error) {
	const text = `SELECT key, value, version FROM carillon_rows
		WHERE model = (SELECT id FROM carillon_models WHERE name = ? AND shadow = ?) AND key > ? ORDER BY key LIMIT ?`
	var rows []carillon.Row
	err := r.store().read(ctx, func(conn *connection) error {
		return conn.query(text, func(stmt *sqlite3.Stmt) error {
			return errors.Join(stmt.BindText(1, ref.Name), stmt.BindBool(2, ref.Shadow), stmt.BindText(3, after), stmt.BindInt(4, limit))
		}, func(stmt *sqlite3.Stmt) error {
			rows = append(rows, carillon.Row{Key: stmt.ColumnText(0), Value: stmt.ColumnBlob(1, []byte{}), Version: stmt.ColumnInt64(2)})
			return nil
		})
	})
	return rows, err
}

// Models lists the read models of the file.
func (r *readModels) Models(ctx context.Context) ([]carillon.ModelInfo, error) {
	const text = `SELECT m.name,
		coalesce(max(CASE WHEN m.shadow = 0 THEN m.checkpoint END), 0),
		coalesce(max(CASE WHEN m.shadow = 1 THEN m.checkpoint END), -1),
		(SELECT count(*) FROM carillon_rows r JOIN carillon_models l ON l.id = r.model WHERE l.name = m.name AND l.shadow = 0)
		FROM carillon_models m GROUP BY m.name ORDER BY m.name`
	var infos []carillon.ModelInfo
	err := r.store().read(ctx, func(conn *connection) error {
		return conn.query(text, nil, func(stmt *sqlite3.Stmt) error {
			infos = append(infos, carillon.ModelInfo{
				Name:       stmt.ColumnText(0),
				Checkpoint: carillon.Position(stmt.ColumnInt64(1)),
				Shadow:     carillon.Position(stmt.ColumnInt64(2)),
				Rows:       stmt.ColumnInt64(3),
			})
			return nil
		})
	})
	return infos, err
}

// Switch makes the shadow the live model in one transaction.
func (r *readModels) Switch(ctx context.Context, name string) error {
	s := r.store()
	if err := s.writable(ctx); err != nil {
		return err
	}
	w := s.writer
	if err := w.lock(ctx, carillon.Flushed); err != nil {
		return err
	}
	defer w.unlock()
	return w.transaction(ctx, func() error {
		shadow, reached, err := findModel(w.conn, carillon.ModelRef{Name: name, Shadow: true})
		if err != nil {
			return fmt.Errorf("shadow of %q: %w", name, err)
		}
		live, at, err := findModel(w.conn, carillon.ModelRef{Name: name})
		if err != nil && !errors.Is(err, carillon.ErrNotFound) {
			return err
		}
		if at > reached {
			return fmt.Errorf("the shadow of %q is behind the live model: %w", name, carillon.ErrConflict)
		}
		byID := func(id int64) func(*sqlite3.Stmt) error {
			return func(stmt *sqlite3.Stmt) error { return stmt.BindInt64(1, id) }
		}
		return firstError(
			dropRows(w.conn, live),
			w.conn.exec("DELETE FROM carillon_models WHERE id = ?", byID(live)),
			w.conn.exec("UPDATE carillon_models SET shadow = 0 WHERE id = ?", byID(shadow)),
			switchLetters(w.conn, name),
		)
	})
}
