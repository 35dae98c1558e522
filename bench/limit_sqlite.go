package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/ncruces/go-sqlite3"
)

// The hand-written log: what somebody competent writes in an afternoon on the driver's low-level API, without a framework. It
// has the pragmas and the page size that the product sets for itself.
const (
	handPragmas = "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;" +
		" PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-8192; PRAGMA synchronous=FULL;"

	handSchema = `
CREATE TABLE IF NOT EXISTS events (
	position INTEGER PRIMARY KEY,
	stream   TEXT NOT NULL,
	version  INTEGER NOT NULL,
	type     TEXT NOT NULL,
	id       BLOB NOT NULL,
	time     INTEGER NOT NULL,
	payload  BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS events_stream ON events (stream, version);
CREATE TABLE IF NOT EXISTS snapshots (stream TEXT PRIMARY KEY, version INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS customers (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT;`
)

// errVersionTaken: the stream has an event of that version already.
var errVersionTaken = errors.New("version taken")

// handLog is a hand-written log. It is not safe for concurrent use.
type handLog struct {
	conn                            *sqlite3.Conn
	begin, commit, rollback, insert *sqlite3.Stmt
}

func openHandLog(path string) (*handLog, error) {
	conn, err := sqlite3.Open(path)
	if err != nil {
		return nil, err
	}
	l := &handLog{conn: conn}
	if err := l.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return l, nil
}

func (l *handLog) prepare() error {
	if err := l.conn.Exec(handPragmas + handSchema); err != nil {
		return err
	}
	for _, s := range []struct {
		into **sqlite3.Stmt
		text string
	}{
		{&l.begin, "BEGIN IMMEDIATE"},
		{&l.commit, "COMMIT"},
		{&l.rollback, "ROLLBACK"},
		{&l.insert, "INSERT INTO events (stream, version, type, id, time, payload) VALUES (?, ?, ?, ?, ?, ?)"},
	} {
		stmt, err := prepare(l.conn, s.text)
		if err != nil {
			return err
		}
		*s.into = stmt
	}
	return nil
}

func prepare(conn *sqlite3.Conn, text string) (*sqlite3.Stmt, error) {
	stmt, _, err := conn.PrepareFlags(text, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	return stmt, nil
}

// append adds one event in a transaction of its own, flushed when it returns.
func (l *handLog) append(stream string, version int64, payload []byte) error {
	if err := l.begin.Exec(); err != nil {
		return err
	}
	if err := l.add(stream, version, orderPlaced, payload); err != nil {
		return errors.Join(err, l.rollback.Exec())
	}
	return l.commit.Exec()
}

// add inserts an event within a transaction. The unique index checks the version: two callers that loaded the same version
// cannot both write the next one, and the second fails with [errVersionTaken].
func (l *handLog) add(stream string, version int64, typ string, payload []byte) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	stmt := l.insert
	err = first(
		stmt.BindText(1, stream),
		stmt.BindInt64(2, version),
		stmt.BindText(3, typ),
		stmt.BindBlob(4, id[:]),
		stmt.BindInt64(5, time.Now().UnixMicro()),
		stmt.BindBlob(6, payload),
		stmt.Exec(),
	)
	if errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) {
		return errVersionTaken
	}
	return err
}

// fill adds many events, a thousand to a transaction, without flushing each.
func (l *handLog) fill(count int, event func(n int) (stream string, version int64, payload []byte)) error {
	if err := l.conn.Exec("PRAGMA synchronous=OFF"); err != nil {
		return err
	}
	for n := 0; n < count; {
		if err := l.begin.Exec(); err != nil {
			return err
		}
		for range min(1000, count-n) {
			stream, version, payload := event(n)
			if err := l.add(stream, version, orderPlaced, payload); err != nil {
				return errors.Join(err, l.rollback.Exec())
			}
			n++
		}
		if err := l.commit.Exec(); err != nil {
			return err
		}
	}
	return l.conn.Exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous=FULL")
}

// totals counts what the log holds: events, and the bytes of their payloads.
func (l *handLog) totals() (events, bytes int64, err error) {
	stmt, err := prepare(l.conn, "SELECT count(*), coalesce(sum(length(payload)), 0) FROM events")
	if err != nil {
		return 0, 0, err
	}
	defer stmt.Close()
	stmt.Step()
	return stmt.ColumnInt64(0), stmt.ColumnInt64(1), stmt.Err()
}

func (l *handLog) close() error {
	for _, stmt := range []*sqlite3.Stmt{l.begin, l.commit, l.rollback, l.insert} {
		if err := stmt.Close(); err != nil {
			return err
		}
	}
	return l.conn.Close()
}

// first returns the first of several outcomes that is an error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
