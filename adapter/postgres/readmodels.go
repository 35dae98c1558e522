package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/carillon-go/carillon"
)

// readModels are the read models of a store.
type readModels Store

func (r *readModels) store() *Store { return (*Store)(r) }

// rollbackLimit is how long taking a transaction back may take before its connection is dropped instead.
const rollbackLimit = 5 * time.Second

// Update runs fn in one transaction. Those of one segment run one at a time; others run side by side.
func (r *readModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	s := r.store()
	if err := s.usable(ctx); err != nil {
		return err
	}
	session, err := s.db.Conn(ctx) // also runs the statements of SQL projections
	if err != nil {
		return ended(ctx, err)
	}
	defer session.Close()
	conn, err := driverConn(session)
	if err != nil {
		return err
	}
	u := &update{ctx: ctx, store: s, session: session, ref: ref, durability: durability}
	finished := false
	defer func() {
		if finished {
			return
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackLimit)
		defer cancel()
		_ = u.tx.Rollback(limited) // a connection that fails here is not used again
	}()
	if err := u.begin(conn); err != nil {
		return ended(ctx, err)
	}
	if err := fn(u); err != nil {
		if ctx.Err() == nil && conn.IsClosed() {
			err = connectionLost(err)
		}
		return ended(ctx, err)
	}
	if unknown, err := u.commit(); err != nil {
		if unknown {
			return fmt.Errorf("%w: %w", carillon.ErrOutcomeUnknown, err)
		}
		return ended(ctx, err)
	}
	finished = true
	s.hub.Announce(u.published)
	s.pruneReceipts(ctx, conn, u.received)
	return nil
}

func driverConn(session *sql.Conn) (conn *pgx.Conn, err error) {
	err = session.Raw(func(driver any) error {
		conn = driver.(*stdlib.Conn).Conn()
		return nil
	})
	return conn, err
}

// Row returns one row and the checkpoint it is as of, in one statement, so that a switch cannot come between.
func (r *readModels) Row(ctx context.Context, ref carillon.ModelRef, key string) (carillon.Row, carillon.Position, error) {
	const text = `SELECT coalesce(c.position, 0), r.value, coalesce(r.version, 0) FROM {{schema}}.models m
		LEFT JOIN {{schema}}.checkpoints c ON c.model = m.id AND c.segment = $3
		LEFT JOIN {{schema}}.rows r ON r.model = m.id AND r.key = $4 WHERE m.name = $1 AND m.shadow = $2`
	s := r.store()
	if err := s.usable(ctx); err != nil {
		return carillon.Row{}, 0, err
	}
	row := carillon.Row{Key: key}
	var checkpoint carillon.Position
	err := s.pool.QueryRow(ctx, s.texts.fill(text), ref.Name, ref.Shadow, ref.Segment, []byte(key)).Scan(&checkpoint, &row.Value, &row.Version)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && row.Value == nil {
		return carillon.Row{}, checkpoint, carillon.ErrNotFound
	}
	return row, checkpoint, ended(ctx, err)
}

// Rows returns rows in order of key.
func (r *readModels) Rows(ctx context.Context, ref carillon.ModelRef, after string, limit int) ([]carillon.Row, error) {
	const text = `SELECT key, value, version FROM {{schema}}.rows
		WHERE model = (SELECT id FROM {{schema}}.models WHERE name = $1 AND shadow = $2) AND key > $3 ORDER BY key LIMIT $4`
	s := r.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	found, err := s.pool.Query(ctx, s.texts.fill(text), ref.Name, ref.Shadow, []byte(after), limit)
	if err != nil {
		return nil, ended(ctx, err)
	}
	var rows []carillon.Row
	var key, value []byte
	var version int64
	_, err = pgx.ForEachRow(found, []any{&key, &value, &version}, func() error {
		rows = append(rows, carillon.Row{Key: string(key), Value: value, Version: version})
		key, value = nil, nil
		return nil
	})
	return rows, ended(ctx, err)
}

// Models lists the read models of the schema.
func (r *readModels) Models(ctx context.Context) ([]carillon.ModelInfo, error) {
	const text = `SELECT m.name,
		coalesce(min(c.position) FILTER (WHERE NOT m.shadow), 0),
		coalesce((SELECT count(*) FROM {{schema}}.rows r JOIN {{schema}}.models l ON l.id = r.model WHERE l.name = m.name AND NOT l.shadow), 0),
		coalesce(min(c.position) FILTER (WHERE m.shadow), -1)
		FROM {{schema}}.models m LEFT JOIN {{schema}}.checkpoints c ON c.model = m.id GROUP BY m.name ORDER BY m.name`
	s := r.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.texts.fill(text))
	if err != nil {
		return nil, ended(ctx, err)
	}
	infos, err := pgx.CollectRows(rows, pgx.RowToStructByPos[carillon.ModelInfo])
	return infos, ended(ctx, err)
}

// Switch makes the shadow the live model in one transaction.
func (r *readModels) Switch(ctx context.Context, name string) error {
	s := r.store()
	if err := s.usable(ctx); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var live, shadow int
		rows, err := tx.Query(ctx, s.texts.fill("SELECT id, shadow FROM {{schema}}.models WHERE name = $1 ORDER BY id FOR UPDATE"), name)
		if err != nil {
			return err
		}
		var id int
		var isShadow bool
		_, err = pgx.ForEachRow(rows, []any{&id, &isShadow}, func() error {
			if isShadow {
				shadow = id
			} else {
				live = id
			}
			return nil
		})
		if err != nil {
			return err
		}
		if shadow == 0 {
			return fmt.Errorf("shadow of %q: %w", name, carillon.ErrNotFound)
		}
		var behind bool
		err = tx.QueryRow(ctx, s.texts.fill(`SELECT EXISTS (SELECT FROM (SELECT * FROM {{schema}}.checkpoints WHERE model = $1 FOR UPDATE) l
			WHERE l.position > (SELECT coalesce(min(n.position), 0) FROM {{schema}}.checkpoints n WHERE n.model = $2))`), live, shadow).Scan(&behind)
		if err != nil {
			return err
		}
		if behind {
			return fmt.Errorf("the shadow of %q is behind the live model: %w", name, carillon.ErrConflict)
		}
		batch := &pgx.Batch{}
		batch.Queue(s.texts.fill("DELETE FROM {{schema}}.rows WHERE model = $1"), live)
		batch.Queue(s.texts.fill("DELETE FROM {{schema}}.models WHERE id = $1"), live)
		batch.Queue(s.texts.fill("UPDATE {{schema}}.models SET shadow = false WHERE id = $1"), shadow)
		s.switchLetters(batch, name)
		return tx.SendBatch(ctx, batch).Close()
	})
	return ended(ctx, err)
}
