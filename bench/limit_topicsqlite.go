package main

import (
	"errors"
	"sync"

	"github.com/google/uuid"
	"github.com/ncruces/go-sqlite3"
)

// The tables of a hand-written topic on SQLite, and of an inbox, its effects and an outbox.
const handTopicSchema = `
CREATE TABLE IF NOT EXISTS messages (
	position INTEGER PRIMARY KEY,
	id       BLOB NOT NULL,
	type     TEXT NOT NULL,
	key      TEXT NOT NULL,
	payload  BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO checkpoints VALUES ('shipping', 0);
CREATE TABLE IF NOT EXISTS inbox (message BLOB PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS shipments (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (position INTEGER PRIMARY KEY, id BLOB NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL) STRICT;`

// sqliteHandTable implements [handTable] with a connection for writing and one for reading.
type sqliteHandTable struct {
	mu                                sync.Mutex // of the writer
	writer, reader                    *sqlite3.Conn
	begin, commit, insert, move, trim *sqlite3.Stmt
	page                              *sqlite3.Stmt // of the reader
	receive, effect, out              *sqlite3.Stmt
	last                              int64
}

func openHandTable(path string) (_ *sqliteHandTable, err error) {
	t := &sqliteHandTable{}
	if t.writer, err = sqlite3.Open(path); err != nil {
		return nil, err
	}
	if t.reader, err = sqlite3.Open(path); err != nil {
		return nil, errors.Join(err, t.writer.Close())
	}
	err = first(t.writer.Exec(handPragmas+handTopicSchema), t.reader.Exec("PRAGMA busy_timeout=5000; PRAGMA query_only=ON; PRAGMA cache_size=-8000"))
	for _, s := range []struct {
		conn *sqlite3.Conn
		into **sqlite3.Stmt
		text string
	}{
		{t.writer, &t.begin, "BEGIN IMMEDIATE"},
		{t.writer, &t.commit, "COMMIT"},
		{t.writer, &t.insert, "INSERT INTO messages VALUES (?, ?, ?, ?, ?)"},
		{t.writer, &t.move, "UPDATE checkpoints SET position = ? WHERE name = 'shipping'"},
		{t.writer, &t.trim, "DELETE FROM messages WHERE position <= ?"},
		{t.writer, &t.receive, "INSERT INTO inbox VALUES (?) ON CONFLICT DO NOTHING"},
		{t.writer, &t.effect, "INSERT OR REPLACE INTO shipments VALUES (?, ?)"},
		{t.writer, &t.out, "INSERT INTO outbox (id, type, key, payload) VALUES (?, ?, ?, ?)"},
		{t.reader, &t.page, "SELECT position, id, type, key, payload FROM messages WHERE position > ? ORDER BY position LIMIT ?"},
	} {
		if err == nil {
			*s.into, err = prepare(s.conn, s.text)
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *sqliteHandTable) add(batch []*handRequest) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.begin.Exec(); err != nil {
		return err
	}
	for _, r := range batch {
		for i := range r.parcels {
			if err := t.put(&r.parcels[i]); err != nil {
				return errors.Join(err, t.writer.Exec("ROLLBACK"))
			}
		}
	}
	return t.commit.Exec()
}

func (t *sqliteHandTable) put(p *parcel) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	t.last++
	return first(
		t.insert.BindInt64(1, t.last),
		t.insert.BindBlob(2, id[:]),
		t.insert.BindText(3, orderPlaced),
		t.insert.BindText(4, p.key),
		t.insert.BindBlob(5, p.payload),
		t.insert.Exec(),
	)
}

func (t *sqliteHandTable) read(after int64, limit int, each func(handRow) error) (int64, error) {
	if err := first(t.page.BindInt64(1, after), t.page.BindInt(2, limit)); err != nil {
		return after, err
	}
	for t.page.Step() {
		after = t.page.ColumnInt64(0)
		row := handRow{id: t.page.ColumnRawBlob(1), typ: t.page.ColumnRawText(2), key: t.page.ColumnRawText(3), payload: t.page.ColumnRawBlob(4)}
		if err := each(row); err != nil {
			return after, errors.Join(err, t.page.Reset())
		}
	}
	return after, errors.Join(t.page.Err(), t.page.Reset())
}

func (t *sqliteHandTable) settle(position int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := first(
		t.writer.Exec("PRAGMA synchronous=NORMAL"), t.begin.Exec(),
		t.move.BindInt64(1, position), t.move.Exec(), t.trim.BindInt64(1, position), t.trim.Exec(),
		t.commit.Exec(),
	)
	return errors.Join(err, t.writer.Exec("PRAGMA synchronous=FULL"))
}

func (t *sqliteHandTable) close() error {
	var err error
	for _, stmt := range []*sqlite3.Stmt{t.begin, t.commit, t.insert, t.move, t.trim, t.page, t.receive, t.effect, t.out} {
		err = errors.Join(err, stmt.Close()) // closing nil does nothing
	}
	return errors.Join(err, t.reader.Close(), t.writer.Close())
}
