package sqlite

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"
)

// maxStatements bounds a connection's prepared statements; queries of many shapes start over.
const maxStatements = 256

// connection is a SQLite connection with its prepared statements. It is not safe for concurrent use.
type connection struct {
	*sqlite3.Conn
	statements map[string]*sqlite3.Stmt

	// memory that a [collector] uses again
	text []byte
	ends []textEnds
}

// newConnection keeps query plans stable: without that, SQLite prepares a statement again whenever a bound range changes.
func newConnection(conn *sqlite3.Conn) (*connection, error) {
	_, err := conn.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true)
	return &connection{Conn: conn, statements: make(map[string]*sqlite3.Stmt)}, err
}

// openReader opens a read-only connection.
func openReader(ctx context.Context, path string) (*connection, error) {
	conn, err := sqlite3.OpenContext(ctx, uri(path, "mode=ro"))
	if err != nil {
		return nil, err
	}
	conn.SetInterrupt(context.Background())
	err = conn.Exec("PRAGMA busy_timeout=5000; PRAGMA query_only=ON; PRAGMA cache_size=-8000")
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return newConnection(conn)
}

// statement returns the prepared statement of a text, which stays prepared.
func (c *connection) statement(text string) (*sqlite3.Stmt, error) {
	if stmt, ok := c.statements[text]; ok {
		return stmt, nil
	}
	if len(c.statements) >= maxStatements {
		if err := c.finalize(); err != nil {
			return nil, err
		}
	}
	stmt, _, err := c.PrepareFlags(text, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, err
	}
	c.statements[text] = stmt
	return stmt, nil
}

// exec runs a prepared statement that returns no rows. bind may be nil.
func (c *connection) exec(text string, bind func(*sqlite3.Stmt) error) error {
	return c.query(text, bind, nil)
}

// query runs a prepared statement and calls row for each row it returns.
func (c *connection) query(text string, bind, row func(*sqlite3.Stmt) error) error {
	stmt, err := c.statement(text)
	if err != nil {
		return err
	}
	if bind != nil {
		if err := bind(stmt); err != nil {
			return err
		}
	}
	for stmt.Step() {
		if row == nil {
			continue
		}
		if err := row(stmt); err != nil {
			return errors.Join(err, stmt.Reset())
		}
	}
	if err := stmt.Err(); err != nil {
		_ = stmt.Reset() // repeats the error
		return err
	}
	return stmt.Reset()
}

func (c *connection) finalize() error {
	var err error
	for text, stmt := range c.statements {
		err = errors.Join(err, stmt.Close())
		delete(c.statements, text)
	}
	return err
}

func (c *connection) close() error {
	return errors.Join(c.finalize(), c.Conn.Close())
}
