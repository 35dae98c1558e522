package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// update is one read model inside a transaction.
type update struct {
	ctx     context.Context //nolint:containedctx // the port's transaction has none of its own: it lives within one call
	store   *Store
	tx      pgx.Tx
	session *sql.Conn
	ref     carillon.ModelRef

	id         int
	checkpoint carillon.Position
	moved      bool
	lost       error // a fence did not hold
	published  []*topics.Publication
	received   int // receipts
}

// Tx returns the transaction of a projection's update, for statements that pgx offers and database/sql does not. ok is false when the
// store is another. The transaction is the store's to end.
func Tx(tx carillon.ReadModelTx) (_ pgx.Tx, ok bool) {
	u, ok := tx.(*update)
	if !ok {
		return nil, false
	}
	return u.tx, true
}

// open finds the model and locks the checkpoint of its segment, making both when they are new. A model that is being switched is waited
// for.
func (u *update) open(durability carillon.Durability) error {
	found, err := u.find(durability)
	if err != nil || found {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue(u.store.texts.fill("INSERT INTO {{schema}}.models (name, shadow) VALUES ($1, $2) ON CONFLICT DO NOTHING"), u.ref.Name, u.ref.Shadow)
	batch.Queue(u.store.texts.fill(`INSERT INTO {{schema}}.checkpoints (model, segment, position)
		SELECT id, $3, 0 FROM {{schema}}.models WHERE name = $1 AND shadow = $2 ON CONFLICT DO NOTHING`), u.ref.Name, u.ref.Shadow, u.ref.Segment)
	if err := u.tx.SendBatch(u.ctx, batch).Close(); err != nil {
		return err
	}
	found, err = u.find(durability)
	if err == nil && !found {
		err = fmt.Errorf("read model %q was switched away: %w", u.ref.Name, carillon.ErrConflict)
	}
	return err
}

// limitIdle has the server end a transaction, and give its locks free, whose process says nothing for a while: one that is paused, or
// whose machine is gone and closes no connection. Nobody could take its segment over before.
const limitIdle = "SET LOCAL idle_in_transaction_session_timeout = '5s'"

func (u *update) find(durability carillon.Durability) (bool, error) {
	batch := &pgx.Batch{}
	batch.Queue(limitIdle)
	if durability == carillon.Refoldable {
		batch.Queue("SET LOCAL synchronous_commit = off")
	}
	found := true
	missing := func(err error) error {
		if errors.Is(err, pgx.ErrNoRows) {
			found = false
			return nil
		}
		return err
	}
	batch.Queue(u.store.texts.fill("SELECT id FROM {{schema}}.models WHERE name = $1 AND shadow = $2 FOR SHARE"), u.ref.Name, u.ref.Shadow).
		QueryRow(func(row pgx.Row) error { return missing(row.Scan(&u.id)) })
	batch.Queue(u.store.texts.fill(`SELECT c.position FROM {{schema}}.checkpoints c WHERE c.segment = $3
		AND c.model = (SELECT id FROM {{schema}}.models WHERE name = $1 AND shadow = $2) FOR UPDATE`), u.ref.Name, u.ref.Shadow, u.ref.Segment).
		QueryRow(func(row pgx.Row) error { return missing(row.Scan(&u.checkpoint)) })
	return found, u.tx.SendBatch(u.ctx, batch).Close()
}

// flush writes what was put off to the end. It fails when a fence did, whatever became of that error.
func (u *update) flush() error {
	if u.lost != nil {
		return u.lost
	}
	batch := &pgx.Batch{}
	if u.moved {
		batch.Queue(u.store.texts.fill("UPDATE {{schema}}.checkpoints SET position = $3 WHERE model = $1 AND segment = $2"),
			u.id, u.ref.Segment, int64(u.checkpoint))
	}
	u.queuePublished(batch)
	if batch.Len() == 0 {
		return nil
	}
	return u.tx.SendBatch(u.ctx, batch).Close()
}

func (u *update) Checkpoint() (carillon.Position, error) { return u.checkpoint, nil }

func (u *update) Row(key string) (carillon.Row, error) {
	row := carillon.Row{Key: key}
	err := u.tx.QueryRow(u.ctx, u.store.texts.fill("SELECT value, version FROM {{schema}}.rows WHERE model = $1 AND key = $2"), u.id, []byte(key)).
		Scan(&row.Value, &row.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return carillon.Row{}, carillon.ErrNotFound
	}
	return row, err
}

// Put writes all rows in one round trip. Of several with one key the last counts.
func (u *update) Put(rows []carillon.Row) error {
	last := make(map[string]int, len(rows))
	for i := range rows {
		last[rows[i].Key] = i
	}
	var deleted, keys, values [][]byte
	var versions []int64
	for i := range rows {
		row := &rows[i]
		switch {
		case last[row.Key] != i:
		case row.Value == nil:
			deleted = append(deleted, []byte(row.Key))
		default:
			keys, values, versions = append(keys, []byte(row.Key)), append(values, row.Value), append(versions, row.Version)
		}
	}
	batch := &pgx.Batch{}
	if len(deleted) > 0 {
		batch.Queue(u.store.texts.fill("DELETE FROM {{schema}}.rows WHERE model = $1 AND key = ANY ($2)"), u.id, deleted)
	}
	if len(keys) > 0 {
		batch.Queue(u.store.texts.fill(`INSERT INTO {{schema}}.rows (model, key, version, value) SELECT $1, * FROM unnest($2::bytea[], $3::bigint[], $4::bytea[])
			ON CONFLICT (model, key) DO UPDATE SET version = excluded.version, value = excluded.value`), u.id, keys, versions, values)
	}
	if batch.Len() == 0 {
		return nil
	}
	return u.tx.SendBatch(u.ctx, batch).Close()
}

func (u *update) Advance(to carillon.Position) error {
	u.checkpoint, u.moved = to, true
	return nil
}

// Clear removes the rows of all segments and their checkpoints but this one, which is set back.
func (u *update) Clear() error {
	batch := &pgx.Batch{}
	batch.Queue(u.store.texts.fill("DELETE FROM {{schema}}.rows WHERE model = $1"), u.id)
	batch.Queue(u.store.texts.fill("DELETE FROM {{schema}}.checkpoints WHERE model = $1 AND segment <> $2"), u.id, u.ref.Segment)
	u.store.dropLetters(batch, u.ref)
	if err := u.tx.SendBatch(u.ctx, batch).Close(); err != nil {
		return err
	}
	return u.Advance(0)
}

// SQL gives access to the database's other tables within the transaction.
func (u *update) SQL() carillon.SQLExecutor { return executor{u.session} }

// executor hides all of a session but statements.
type executor struct{ carillon.SQLExecutor }

// Fence fails unless the lease has this epoch, and keeps it from changing hands until the transaction ends.
func (u *update) Fence(lease carillon.Lease) error {
	var epoch int64
	err := u.tx.QueryRow(u.ctx, u.store.texts.fill("SELECT epoch FROM {{schema}}.leases WHERE name = $1 FOR SHARE"), lease.Name).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && epoch != lease.Epoch {
		u.lost = fmt.Errorf("lease %q has epoch %d now, not %d: %w", lease.Name, epoch, lease.Epoch, carillon.ErrLeaseLost)
		return u.lost
	}
	return err
}

// Generation is the model's number, which a switch takes from the shadow.
func (u *update) Generation() int64 { return int64(u.id) }

// Park adds letters, or replaces them.
func (u *update) Park(letters []carillon.DeadLetter) error {
	const text = `INSERT INTO {{schema}}.deadletters (consumer, shadow, key, position, attempts, cause, stack, first, last)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (consumer, shadow, key, position) DO UPDATE SET attempts = excluded.attempts, cause = excluded.cause, stack = excluded.stack,
			first = excluded.first, last = excluded.last`
	batch := &pgx.Batch{}
	for i := range letters {
		l := &letters[i]
		batch.Queue(u.store.texts.fill(text), l.Consumer, u.ref.Shadow, []byte(l.Key), int64(l.Position), l.Attempts,
			storable(l.Cause), storable(l.Stack), optional(l.First), optional(l.Last))
	}
	return u.tx.SendBatch(u.ctx, batch).Close()
}

// Replace replaces a letter. It stays the same row, so that whoever waits for it finds it.
func (u *update) Replace(letter carillon.DeadLetter) error {
	const text = `UPDATE {{schema}}.deadletters SET attempts = $5, cause = $6, stack = $7, first = $8, last = $9
		WHERE consumer = $1 AND shadow = $2 AND key = $3 AND position = $4`
	tag, err := u.tx.Exec(u.ctx, u.store.texts.fill(text), letter.Consumer, u.ref.Shadow, []byte(letter.Key), int64(letter.Position), letter.Attempts,
		storable(letter.Cause), storable(letter.Stack), optional(letter.First), optional(letter.Last))
	if err == nil && tag.RowsAffected() == 0 {
		err = gone(letter.Key, letter.Position)
	}
	return err
}

// Unpark removes a letter.
func (u *update) Unpark(key string, position carillon.Position) error {
	return u.store.removeLetter(u.ctx, u.tx, u.ref, key, position)
}

// Tried forgets that somebody asked for another try.
func (u *update) Tried(key string) error {
	if u.ref.Shadow {
		return nil
	}
	_, err := u.tx.Exec(u.ctx, u.store.texts.fill("DELETE FROM {{schema}}.retries WHERE consumer = $1 AND key = $2"), u.ref.Name, []byte(key))
	return err
}
