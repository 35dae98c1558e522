package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// eventLog is the log of a store.
type eventLog Store

func (l *eventLog) store() *Store { return (*Store)(l) }

// Head returns the position of the last event.
func (l *eventLog) Head(ctx context.Context) (carillon.Position, error) {
	var head carillon.Position
	err := l.store().read(ctx, func(conn *connection) (err error) {
		head, err = readHead(conn)
		return err
	})
	return head, err
}

func readHead(conn *connection) (head carillon.Position, err error) {
	err = conn.query("SELECT max(position) FROM carillon_events", nil, func(stmt *sqlite3.Stmt) error {
		head = carillon.Position(stmt.ColumnInt64(0)) // NULL reads as 0
		return nil
	})
	return head, err
}

// Command returns what an append with this command id did.
func (l *eventLog) Command(ctx context.Context, id string) (carillon.CommandRecord, error) {
	var record carillon.CommandRecord
	err := l.store().read(ctx, func(conn *connection) (err error) {
		record, err = readCommand(conn, id)
		return err
	})
	return record, err
}

func readCommand(conn *connection, id string) (carillon.CommandRecord, error) {
	record := carillon.CommandRecord{}
	err := conn.query("SELECT digest, first, last, version FROM carillon_commands WHERE id = ?", func(stmt *sqlite3.Stmt) error {
		return stmt.BindText(1, id)
	}, func(stmt *sqlite3.Stmt) error {
		record.Guard.ID = id
		if copy(record.Guard.Digest[:], stmt.ColumnRawBlob(0)) != len(record.Guard.Digest) {
			return fmt.Errorf("command %q has a short digest: %w", id, carillon.ErrCorrupt)
		}
		record.Appended = carillon.Appended{
			First:   carillon.Position(stmt.ColumnInt64(1)),
			Last:    carillon.Position(stmt.ColumnInt64(2)),
			Version: stmt.ColumnInt64(3),
		}
		return nil
	})
	if err == nil && record.Guard.ID == "" {
		err = carillon.ErrNotFound
	}
	return record, err
}

// Streams lists streams in order of name.
func (l *eventLog) Streams(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
	const text = `SELECT stream, max(version) FROM carillon_events WHERE stream > ? GROUP BY stream ORDER BY stream LIMIT ?`
	var infos []carillon.StreamInfo
	err := l.store().read(ctx, func(conn *connection) error {
		return conn.query(text, func(stmt *sqlite3.Stmt) error {
			return errors.Join(stmt.BindText(1, after), stmt.BindInt(2, limit))
		}, func(stmt *sqlite3.Stmt) error {
			infos = append(infos, carillon.StreamInfo{Name: stmt.ColumnText(0), Version: stmt.ColumnInt64(1)})
			return nil
		})
	})
	return infos, err
}
