package main

import (
	"encoding/json"
	"errors"

	"github.com/ncruces/go-sqlite3"
)

// handReader loads the states of streams on a read-only connection of its own. It is not safe for concurrent use.
type handReader struct {
	conn     *sqlite3.Conn
	snapshot *sqlite3.Stmt // nil to fold all events
	events   *sqlite3.Stmt
}

func openHandReader(path string, snapshots bool) (*handReader, error) {
	conn, err := sqlite3.Open(path)
	if err != nil {
		return nil, err
	}
	r := &handReader{conn: conn}
	err = conn.Exec("PRAGMA busy_timeout=5000; PRAGMA query_only=ON; PRAGMA cache_size=-8000")
	if err == nil {
		r.events, err = prepare(conn, "SELECT version, payload FROM events WHERE stream = ? AND version > ? ORDER BY version")
	}
	if err == nil && snapshots {
		r.snapshot, err = prepare(conn, "SELECT version, state FROM snapshots WHERE stream = ?")
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// load returns the state of a stream, and the version it is at.
func (r *handReader) load(stream string) (state Customer, version int64, err error) {
	if r.snapshot != nil {
		if state, version, err = r.loadSnapshot(stream); err != nil {
			return state, version, err
		}
	}
	stmt := r.events
	if err := first(stmt.BindText(1, stream), stmt.BindInt64(2, version)); err != nil {
		return state, version, err
	}
	for stmt.Step() {
		version = stmt.ColumnInt64(0)
		var event OrderPlaced
		if err := json.Unmarshal(stmt.ColumnRawBlob(1), &event); err != nil {
			return state, version, errors.Join(err, stmt.Reset())
		}
		state = state.Placed(event)
	}
	return state, version, errors.Join(stmt.Err(), stmt.Reset())
}

func (r *handReader) loadSnapshot(stream string) (state Customer, version int64, err error) {
	if err := r.snapshot.BindText(1, stream); err != nil {
		return state, 0, err
	}
	if r.snapshot.Step() {
		version = r.snapshot.ColumnInt64(0)
		err = json.Unmarshal(r.snapshot.ColumnRawBlob(1), &state)
	}
	return state, version, errors.Join(err, r.snapshot.Err(), r.snapshot.Reset())
}

func (r *handReader) close() error {
	return errors.Join(r.snapshot.Close(), r.events.Close(), r.conn.Close()) // closing nil does nothing
}
