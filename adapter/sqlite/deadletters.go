package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

// deadLetters are the parked events of a store.
type deadLetters Store

func (d *deadLetters) store() *Store { return (*Store)(d) }

// Keys returns the parked keys of a consumer.
func (d *deadLetters) Keys(ctx context.Context, consumer string) ([]carillon.ParkedKey, error) {
	const text = `SELECT d.key, count(*), min(d.position),
		EXISTS (SELECT 1 FROM carillon_retries r WHERE r.consumer = d.consumer AND r.key = d.key)
		FROM carillon_deadletters d WHERE d.consumer = ? AND d.shadow = 0 GROUP BY d.key ORDER BY d.key`
	var keys []carillon.ParkedKey
	err := d.store().read(ctx, func(conn *connection) error {
		return conn.query(text, func(stmt *sqlite3.Stmt) error {
			return stmt.BindText(1, consumer)
		}, func(stmt *sqlite3.Stmt) error {
			keys = append(keys, carillon.ParkedKey{
				Key: stmt.ColumnText(0), Letters: stmt.ColumnInt64(1), First: carillon.Position(stmt.ColumnInt64(2)), Retry: stmt.ColumnBool(3),
			})
			return nil
		})
	})
	return keys, err
}

// Letters returns the letters of a key after a position.
func (d *deadLetters) Letters(ctx context.Context, consumer, key string, after carillon.Position, limit int) ([]carillon.DeadLetter, error) {
	const text = `SELECT position, attempts, cause, stack, first, last FROM carillon_deadletters
		WHERE consumer = ? AND key = ? AND shadow = 0 AND position > ? ORDER BY position LIMIT ?`
	var letters []carillon.DeadLetter
	err := d.store().read(ctx, func(conn *connection) error {
		return conn.query(text, func(stmt *sqlite3.Stmt) error {
			return errors.Join(bindKey(stmt, consumer, key), stmt.BindInt64(3, int64(after)), stmt.BindInt(4, limit))
		}, func(stmt *sqlite3.Stmt) error {
			letters = append(letters, carillon.DeadLetter{
				Consumer: consumer, Key: key, Position: carillon.Position(stmt.ColumnInt64(0)), Attempts: stmt.ColumnInt(1),
				Cause: stmt.ColumnText(2), Stack: stmt.ColumnText(3), First: instant(stmt, 4), Last: instant(stmt, 5),
			})
			return nil
		})
	})
	return letters, err
}

// Retry asks for another try of a key.
func (d *deadLetters) Retry(ctx context.Context, consumer, key string) error {
	return d.write(ctx, func(conn *connection) error {
		if _, err := firstLetter(conn, consumer, key); err != nil {
			return err
		}
		return conn.exec("INSERT OR IGNORE INTO carillon_retries VALUES (?, ?)", byKey(consumer, key))
	})
}

// Discard drops the first letter of a key.
func (d *deadLetters) Discard(ctx context.Context, consumer, key string, position carillon.Position) error {
	return d.write(ctx, func(conn *connection) error {
		first, err := firstLetter(conn, consumer, key)
		if err != nil {
			return err
		}
		if first != position {
			return fmt.Errorf("the first letter of key %q stands at position %d, not at %d: %w", key, first, position, carillon.ErrConflict)
		}
		return removeLetter(conn, carillon.ModelRef{Name: consumer}, key, position)
	})
}

// write runs fn in one transaction of the writer, which is on disk when it has ended.
func (d *deadLetters) write(ctx context.Context, fn func(*connection) error) error {
	s := d.store()
	if err := s.writable(ctx); err != nil {
		return err
	}
	w := s.writer
	if err := w.lock(ctx, carillon.Flushed); err != nil {
		return err
	}
	defer w.unlock()
	return w.transaction(ctx, func() error { return fn(w.conn) })
}

// firstLetter returns where the first letter of a key stands, or [carillon.ErrNotFound].
func firstLetter(conn *connection, consumer, key string) (first carillon.Position, err error) {
	const text = "SELECT position FROM carillon_deadletters WHERE consumer = ? AND key = ? AND shadow = 0 ORDER BY position LIMIT 1"
	found := false
	err = conn.query(text, byKey(consumer, key), func(stmt *sqlite3.Stmt) error {
		first, found = carillon.Position(stmt.ColumnInt64(0)), true
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("key %q of %q is not parked: %w", key, consumer, carillon.ErrNotFound)
	}
	return first, err
}

// removeLetter removes a letter of a consumer or shadow, or returns [carillon.ErrNotFound]. With the last of a consumer's key goes what was
// asked for the key.
func removeLetter(conn *connection, ref carillon.ModelRef, key string, position carillon.Position) error {
	const remove = "DELETE FROM carillon_deadletters WHERE consumer = ? AND key = ? AND shadow = ? AND position = ?"
	err := conn.exec(remove, func(stmt *sqlite3.Stmt) error {
		return errors.Join(bindKey(stmt, ref.Name, key), stmt.BindBool(3, ref.Shadow), stmt.BindInt64(4, int64(position)))
	})
	if err != nil {
		return err
	}
	if conn.Changes() == 0 {
		return gone(key, position)
	}
	const text = `DELETE FROM carillon_retries WHERE consumer = ?1 AND key = ?2
		AND NOT EXISTS (SELECT 1 FROM carillon_deadletters WHERE consumer = ?1 AND key = ?2 AND shadow = 0)`
	return conn.exec(text, byKey(ref.Name, key))
}

// dropLetters removes the letters of a consumer or shadow, and what was asked for them.
func dropLetters(conn *connection, ref carillon.ModelRef) error {
	err := conn.exec("DELETE FROM carillon_deadletters WHERE consumer = ? AND shadow = ?", func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindText(1, ref.Name), stmt.BindBool(2, ref.Shadow))
	})
	if err != nil || ref.Shadow {
		return err
	}
	return conn.exec("DELETE FROM carillon_retries WHERE consumer = ?", func(stmt *sqlite3.Stmt) error { return stmt.BindText(1, ref.Name) })
}

// switchLetters makes the letters of a shadow those of the consumer.
func switchLetters(conn *connection, consumer string) error {
	if err := dropLetters(conn, carillon.ModelRef{Name: consumer}); err != nil {
		return err
	}
	return conn.exec("UPDATE carillon_deadletters SET shadow = 0 WHERE consumer = ?", func(stmt *sqlite3.Stmt) error {
		return stmt.BindText(1, consumer)
	})
}

// Park adds letters, or replaces them.
func (u *update) Park(letters []carillon.DeadLetter) error {
	const text = `INSERT INTO carillon_deadletters (consumer, key, position, attempts, cause, stack, first, last, shadow) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (consumer, shadow, key, position) DO UPDATE SET
			attempts = excluded.attempts, cause = excluded.cause, stack = excluded.stack, first = excluded.first, last = excluded.last`
	for i := range letters {
		l := &letters[i]
		err := u.conn.exec(text, func(stmt *sqlite3.Stmt) error {
			return errors.Join(bindKey(stmt, l.Consumer, l.Key), stmt.BindInt64(3, int64(l.Position)), stmt.BindInt(4, l.Attempts),
				stmt.BindText(5, l.Cause), stmt.BindText(6, l.Stack), bindInstant(stmt, 7, l.First), bindInstant(stmt, 8, l.Last), stmt.BindBool(9, u.ref.Shadow))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Replace replaces a letter.
func (u *update) Replace(letter carillon.DeadLetter) error {
	const text = `UPDATE carillon_deadletters SET attempts = ?5, cause = ?6, stack = ?7, first = ?8, last = ?9
		WHERE consumer = ?1 AND key = ?2 AND shadow = ?3 AND position = ?4`
	err := u.conn.exec(text, func(stmt *sqlite3.Stmt) error {
		return errors.Join(bindKey(stmt, letter.Consumer, letter.Key), stmt.BindBool(3, u.ref.Shadow), stmt.BindInt64(4, int64(letter.Position)),
			stmt.BindInt(5, letter.Attempts), stmt.BindText(6, letter.Cause), stmt.BindText(7, letter.Stack),
			bindInstant(stmt, 8, letter.First), bindInstant(stmt, 9, letter.Last))
	})
	if err == nil && u.conn.Changes() == 0 {
		err = gone(letter.Key, letter.Position)
	}
	return err
}

func gone(key string, position carillon.Position) error {
	return fmt.Errorf("letter of key %q at position %d: %w", key, position, carillon.ErrNotFound)
}

// Unpark removes a letter.
func (u *update) Unpark(key string, position carillon.Position) error {
	return removeLetter(u.conn, u.ref, key, position)
}

// Tried forgets that somebody asked for another try.
func (u *update) Tried(key string) error {
	if u.ref.Shadow {
		return nil
	}
	return u.conn.exec("DELETE FROM carillon_retries WHERE consumer = ? AND key = ?", byKey(u.ref.Name, key))
}

func byKey(consumer, key string) func(*sqlite3.Stmt) error {
	return func(stmt *sqlite3.Stmt) error { return bindKey(stmt, consumer, key) }
}

func bindKey(stmt *sqlite3.Stmt, consumer, key string) error {
	return errors.Join(stmt.BindText(1, consumer), stmt.BindText(2, key))
}

// bindInstant binds NULL for the zero time.
func bindInstant(stmt *sqlite3.Stmt, parameter int, t time.Time) error {
	if t.IsZero() {
		return stmt.BindNull(parameter)
	}
	return stmt.BindInt64(parameter, t.UnixMicro())
}

func instant(stmt *sqlite3.Stmt, column int) time.Time {
	if stmt.ColumnType(column) == sqlite3.NULL {
		return time.Time{}
	}
	return time.UnixMicro(stmt.ColumnInt64(column)).UTC()
}
