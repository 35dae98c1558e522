package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// update is one read model inside a transaction. What it writes is put off and sent with what is read next, or with the end.
type update struct {
	ctx     context.Context //nolint:containedctx // the port's transaction has none of its own: it lives within one call
	store   *Store
	tx      pgx.Tx
	session *sql.Conn
	ref     carillon.ModelRef

	durability carillon.Durability
	id         int
	checkpoint carillon.Position
	moved      bool
	lost       error      // why it must not commit
	put        *pgx.Batch // statements that are put off; nil for none
	foreseen   string     // the key of a row that is read with what comes next; empty for none
	read       *readRow   // it, once it was read and until something is written
	published  []*topics.Publication
	received   int // receipts
}

// Tx returns the transaction of a projection's update, for statements that pgx offers and database/sql does not. ok is false when the
// store is another, or the transaction has failed. The transaction is the store's to end.
func Tx(tx carillon.ReadModelTx) (_ pgx.Tx, ok bool) {
	u, ok := tx.(*update)
	if !ok || u.sendPut() != nil {
		return nil, false
	}
	return u.tx, true
}

// limitIdle has the server end a transaction, and give its locks free, whose process says nothing for a while: one that is paused, or
// whose machine is gone and closes no connection. Nobody could take its segment over before.
const limitIdle = "SET LOCAL idle_in_transaction_session_timeout = '5s'"

// begin begins the transaction, finds the model and locks the checkpoint of its segment, making both when they are new. A model that is
// being switched is waited for.
func (u *update) begin(conn *pgx.Conn) error {
	batch := &pgx.Batch{}
	batch.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	batch.Queue(limitIdle)
	found := u.find(batch)
	results := conn.SendBatch(u.ctx, batch)
	u.tx = results.Tx()
	if err := results.Close(); err != nil || *found {
		return err
	}
	batch = &pgx.Batch{}
	batch.Queue(u.store.texts.fill("INSERT INTO {{schema}}.models (name, shadow) VALUES ($1, $2) ON CONFLICT DO NOTHING"), u.ref.Name, u.ref.Shadow)
	batch.Queue(u.store.texts.fill(`INSERT INTO {{schema}}.checkpoints (model, segment, position)
		SELECT id, $3, 0 FROM {{schema}}.models WHERE name = $1 AND shadow = $2 ON CONFLICT DO NOTHING`), u.ref.Name, u.ref.Shadow, u.ref.Segment)
	found = u.find(batch)
	err := u.tx.SendBatch(u.ctx, batch).Close()
	if err == nil && !*found {
		err = fmt.Errorf("read model %q was switched away: %w", u.ref.Name, carillon.ErrConflict)
	}
	return err
}

// find queues the search for the model and the lock of its checkpoint.
func (u *update) find(batch *pgx.Batch) (found *bool) {
	found = new(bool)
	*found = true
	batch.Queue(u.store.texts.fill("SELECT id FROM {{schema}}.models WHERE name = $1 AND shadow = $2 FOR SHARE"), u.ref.Name, u.ref.Shadow).
		QueryRow(func(row pgx.Row) error { return ifThere(found, row.Scan(&u.id)) })
	batch.Queue(u.store.texts.fill(`SELECT c.position FROM {{schema}}.checkpoints c WHERE c.segment = $3
		AND c.model = (SELECT id FROM {{schema}}.models WHERE name = $1 AND shadow = $2) FOR UPDATE`), u.ref.Name, u.ref.Shadow, u.ref.Segment).
		QueryRow(func(row pgx.Row) error { return ifThere(found, row.Scan(&u.checkpoint)) })
	return found
}

// ifThere makes a row that is not there no error of its batch, but not found.
func ifThere(found *bool, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		*found = false
		return nil
	}
	return err
}

// putOff is where statements are queued that are sent with what comes next.
func (u *update) putOff() *pgx.Batch {
	u.read = nil
	if u.put == nil {
		u.put = &pgx.Batch{}
	}
	return u.put
}

// send sends what was put off together with what queue adds to it, and reads the row that is foreseen.
func (u *update) send(queue func(batch *pgx.Batch)) error {
	batch := u.putOff()
	u.put = nil
	queue(batch)
	if batch.Len() == 0 {
		return nil
	}
	if u.foreseen != "" {
		u.read = u.queueRow(batch, u.foreseen)
		u.foreseen = ""
	}
	return u.tx.SendBatch(u.ctx, batch).Close()
}

// sendPut sends what was put off. An update that could not must not commit.
func (u *update) sendPut() error {
	if u.put == nil || u.lost != nil {
		return u.lost
	}
	u.lost = u.send(func(*pgx.Batch) {})
	return u.lost
}

// commit sends what was put off and commits. It fails when a fence did, whatever became of that error. unknown says that the update may
// have committed although it failed. What is published is flushed whatever the durability: consumers of other processes see it at once, and
// where a crash took it back its positions would be given again, to messages that those consumers would take for the ones they had.
func (u *update) commit() (unknown bool, err error) {
	if u.lost != nil {
		return false, u.lost
	}
	u.foreseen = ""
	committed := false
	err = u.send(func(batch *pgx.Batch) {
		if u.moved {
			batch.Queue(u.store.texts.fill("UPDATE {{schema}}.checkpoints SET position = $3 WHERE model = $1 AND segment = $2"),
				u.id, u.ref.Segment, int64(u.checkpoint))
		}
		u.queuePublished(batch)
		if u.durability == carillon.Refoldable && len(u.published) == 0 {
			batch.Queue(notFlushed)
		}
		batch.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
			committed = tag.String() == "COMMIT"
			return nil
		})
	})
	switch {
	case committed:
		return false, nil
	case err == nil: // a statement failed, and whoever ran it did not say so
		return false, pgx.ErrTxCommitRollback
	default:
		return undecided(err), err
	}
}

func (u *update) Checkpoint() (carillon.Position, error) { return u.checkpoint, nil }

// readRow is a row that was read, if it is there.
type readRow struct {
	carillon.Row

	there bool
}

// queueRow queues the reading of a row.
func (u *update) queueRow(batch *pgx.Batch, key string) *readRow {
	r := &readRow{Row: carillon.Row{Key: key}, there: true}
	batch.Queue(u.store.texts.fill("SELECT value, version FROM {{schema}}.rows WHERE model = $1 AND key = $2"), u.id, []byte(key)).
		QueryRow(func(row pgx.Row) error { return ifThere(&r.there, row.Scan(&r.Value, &r.Version)) })
	return r
}

// Foresee has a row read together with what is done next.
func (u *update) Foresee(key string) { u.foreseen = key }

func (u *update) Row(key string) (carillon.Row, error) {
	r := u.read
	u.read = nil
	if r == nil || r.Key != key {
		err := u.send(func(batch *pgx.Batch) { r = u.queueRow(batch, key) })
		if err != nil {
			return carillon.Row{Key: key}, err
		}
	}
	if !r.there {
		return carillon.Row{}, carillon.ErrNotFound
	}
	return r.Row, nil
}

// Put writes all rows with what comes next. Of several with one key the last counts.
func (u *update) Put(rows []carillon.Row) error {
	last := make(map[string]int, len(rows))
	for i := range rows {
		last[rows[i].Key] = i
	}
	var deleted, keys, values [][]byte
	var versions []int64
	size := 0
	for i := range rows {
		size += len(rows[i].Value)
	}
	slab := make([]byte, 0, size) // the caller may change its own once this returns
	for i := range rows {
		row := &rows[i]
		switch {
		case last[row.Key] != i:
		case row.Value == nil:
			deleted = append(deleted, []byte(row.Key))
		default:
			slab = append(slab, row.Value...)
			value := slab[len(slab)-len(row.Value) : len(slab) : len(slab)]
			keys, values, versions = append(keys, []byte(row.Key)), append(values, value), append(versions, row.Version)
		}
	}
	batch := u.putOff()
	if len(deleted) > 0 {
		batch.Queue(u.store.texts.fill("DELETE FROM {{schema}}.rows WHERE model = $1 AND key = ANY ($2)"), u.id, deleted)
	}
	if len(keys) > 0 {
		batch.Queue(u.store.texts.fill(`INSERT INTO {{schema}}.rows (model, key, version, value) SELECT $1, * FROM unnest($2::bytea[], $3::bigint[], $4::bytea[])
			ON CONFLICT (model, key) DO UPDATE SET version = excluded.version, value = excluded.value`), u.id, keys, versions, values)
	}
	return nil
}

func (u *update) Advance(to carillon.Position) error {
	u.checkpoint, u.moved = to, true
	return nil
}

// Clear removes the rows of all segments and their checkpoints but this one, which is set back.
func (u *update) Clear() error {
	batch := u.putOff()
	batch.Queue(u.store.texts.fill("DELETE FROM {{schema}}.rows WHERE model = $1"), u.id)
	batch.Queue(u.store.texts.fill("DELETE FROM {{schema}}.checkpoints WHERE model = $1 AND segment <> $2"), u.id, u.ref.Segment)
	u.store.dropLetters(batch, u.ref)
	if err := u.sendPut(); err != nil {
		return err
	}
	return u.Advance(0)
}

// SQL gives access to the database's other tables within the transaction.
func (u *update) SQL() carillon.SQLExecutor {
	u.read = nil
	return executor{u}
}

// executor runs statements behind what the update has put off.
type executor struct{ update *update }

// ExecContext runs a statement.
func (e executor) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := e.update.sendPut(); err != nil {
		return nil, err
	}
	return e.update.session.ExecContext(ctx, query, args...)
}

// QueryContext runs a query.
func (e executor) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := e.update.sendPut(); err != nil {
		return nil, err
	}
	return e.update.session.QueryContext(ctx, query, args...)
}

// QueryRowContext runs a query of one row.
func (e executor) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	_ = e.update.sendPut() // the transaction is aborted then, and the query fails
	return e.update.session.QueryRowContext(ctx, query, args...)
}

// Fence fails unless the lease has this epoch, and keeps it from changing hands until the transaction ends.
func (u *update) Fence(lease carillon.Lease) error {
	var epoch int64
	found := true
	err := u.send(func(batch *pgx.Batch) {
		batch.Queue(u.store.texts.fill("SELECT epoch FROM {{schema}}.leases WHERE name = $1 FOR SHARE"), lease.Name).
			QueryRow(func(row pgx.Row) error { return ifThere(&found, row.Scan(&epoch)) })
	})
	if err == nil && (!found || epoch != lease.Epoch) {
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
	batch := u.putOff()
	for i := range letters {
		l := &letters[i]
		batch.Queue(u.store.texts.fill(text), l.Consumer, u.ref.Shadow, []byte(l.Key), int64(l.Position), l.Attempts,
			storable(l.Cause), storable(l.Stack), optional(l.First), optional(l.Last))
	}
	return u.sendPut()
}

// Replace replaces a letter. It stays the same row, so that whoever waits for it finds it.
func (u *update) Replace(letter carillon.DeadLetter) error {
	const text = `UPDATE {{schema}}.deadletters SET attempts = $5, cause = $6, stack = $7, first = $8, last = $9
		WHERE consumer = $1 AND shadow = $2 AND key = $3 AND position = $4`
	if err := u.sendPut(); err != nil {
		return err
	}
	tag, err := u.tx.Exec(u.ctx, u.store.texts.fill(text), letter.Consumer, u.ref.Shadow, []byte(letter.Key), int64(letter.Position), letter.Attempts,
		storable(letter.Cause), storable(letter.Stack), optional(letter.First), optional(letter.Last))
	if err == nil && tag.RowsAffected() == 0 {
		err = gone(letter.Key, letter.Position)
	}
	return err
}

// Unpark removes a letter.
func (u *update) Unpark(key string, position carillon.Position) error {
	if err := u.sendPut(); err != nil {
		return err
	}
	return u.store.removeLetter(u.ctx, u.tx, u.ref, key, position)
}

// Tried forgets that somebody asked for another try.
func (u *update) Tried(key string) error {
	if u.ref.Shadow {
		return nil
	}
	u.putOff().Queue(u.store.texts.fill("DELETE FROM {{schema}}.retries WHERE consumer = $1 AND key = $2"), u.ref.Name, []byte(key))
	return nil
}
