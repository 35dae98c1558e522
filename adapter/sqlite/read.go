package sqlite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

const (
	// pageBytes ends a page early, so that large events do not make large pages.
	pageBytes = 1 << 20
	// maxRoom bounds the events that room is made for before there are so many: callers ask for about as many as they expect.
	maxRoom = 2048
	// textBytes is about how much text of neighbouring events shares one piece of memory.
	textBytes = 8 << 10
)

const (
	columns     = "position, version, type, id, time, metadata, payload"
	selectAll   = "SELECT " + columns + ", stream FROM carillon_events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
	selectFound = "SELECT " + columns + ", stream FROM carillon_events WHERE position IN (%s) ORDER BY position"
	selectOwn   = "SELECT " + columns + " FROM carillon_events WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"
)

// Read returns a page of the log. The head is read first: every event up to it is committed, and there are no holes below.
func (l *eventLog) Read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	var page carillon.Page
	err := l.store().read(ctx, func(conn *connection) (err error) {
		page, err = l.page(conn, query, max(after, 0), limit)
		return err
	})
	return page, err
}

func (l *eventLog) page(conn *connection, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	head, err := readHead(conn)
	if err != nil || head <= after || limit < 1 {
		return carillon.Page{Through: max(head, after), More: limit < 1 && head > after}, err
	}
	search, err := compile(conn, l.names, query)
	if err != nil || search.nothing() {
		return carillon.Page{Through: head}, err
	}
	text, bind := selectAll, func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindInt64(1, int64(after)), stmt.BindInt64(2, int64(head)), stmt.BindInt(3, limit+1))
	}
	c := collector{names: l.names, conn: conn, limit: limit, room: int(min(head-after, maxRoom))}
	switch {
	case search.everything:
	case search.tooWide:
		c.query, c.limit = query, limit
		bind = func(stmt *sqlite3.Stmt) error {
			return errors.Join(stmt.BindInt64(1, int64(after)), stmt.BindInt64(2, int64(head)), stmt.BindInt64(3, -1))
		}
	default:
		text = fmt.Sprintf(selectFound, search.text)
		bind = func(stmt *sqlite3.Stmt) error { return search.bind(stmt, after, head, limit+1) }
	}
	if err := c.collect(text, bind); err != nil {
		return carillon.Page{}, err
	}
	page := carillon.Page{Events: c.events, Through: head, More: c.more}
	if c.more {
		page.Through = c.events[len(c.events)-1].Position
	}
	return page, nil
}

// ReadStream returns the next events of a stream.
func (l *eventLog) ReadStream(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	c := collector{names: l.names, limit: limit, room: maxRoom}
	err := l.store().read(ctx, func(conn *connection) error { return c.stream(conn, stream, after) })
	return c.events, err
}

// Keeps reports whether snapshots are those of the log's own store.
func (l *eventLog) Keeps(s carillon.Snapshots) bool {
	own, ok := s.(*snapshots)
	return ok && own.store() == l.store()
}

// ReadTail returns the snapshot of a key and the next events of a stream after it, of one moment.
func (l *eventLog) ReadTail(ctx context.Context, key, stream string, limit int) (carillon.Snapshot, []carillon.Recorded, error) {
	var snapshot carillon.Snapshot
	c := collector{names: l.names, limit: limit, room: maxRoom}
	err := l.store().read(ctx, func(conn *connection) error {
		err := loadSnapshot(conn, key, func(found carillon.Snapshot) error {
			snapshot = found
			return c.stream(conn, stream, found.At)
		})
		if err != nil || snapshot.Key != "" {
			return err
		}
		return c.stream(conn, stream, 0)
	})
	return snapshot, c.events, err
}

// collector gathers rows into events up to a limit of events or bytes.
type collector struct {
	conn   *connection
	names  *typeNames
	own    string         // the stream of all events, where they are of one
	query  carillon.Query // matches what the statement did not
	limit  int
	room   int // for how many events room is made before the first
	events []carillon.Recorded
	size   int
	more   bool
	slab   []byte

	typ      int64 // the number of the last event's type
	typeName string
	text     []byte // the texts of the last events, which are not set yet
	ends     []textEnds
}

// textEnds are where an event's texts end among those of a [collector]; they follow one another.
type textEnds struct{ id, metadata, stream int }

// errFull ends a statement early.
var errFull = errors.New("page full")

func (c *collector) collect(text string, bind func(*sqlite3.Stmt) error) error {
	c.text, c.ends = c.conn.text, c.conn.ends
	err := c.conn.query(text, bind, c.add)
	if errors.Is(err, errFull) {
		err = nil
	}
	if err == nil {
		err = c.settle()
	}
	c.conn.text, c.conn.ends = c.text[:0], c.ends[:0]
	return err
}

// stream collects the next events of a stream.
func (c *collector) stream(conn *connection, stream string, after int64) error {
	c.conn, c.own = conn, stream
	return c.collect(selectOwn, func(stmt *sqlite3.Stmt) error {
		return errors.Join(stmt.BindText(1, stream), stmt.BindInt64(2, after), stmt.BindInt(3, c.limit))
	})
}

func (c *collector) add(stmt *sqlite3.Stmt) error {
	if len(c.events) > 0 && (len(c.events) >= c.limit || c.size > pageBytes) {
		c.more = true
		return errFull
	}
	if c.events == nil {
		c.events = make([]carillon.Recorded, 0, min(c.limit, c.room))
	}
	if len(c.events) == cap(c.events) {
		c.events = slices.Grow(c.events, len(c.events))
	}
	c.events = c.events[:len(c.events)+1] // which is zero
	event := &c.events[len(c.events)-1]
	if err := c.scan(stmt, event); err != nil {
		return err
	}
	if len(c.query.Items) > 0 {
		if err := c.settle(); err != nil {
			return err
		}
		if !c.query.Matches(event.Type, event.Tags) {
			*event = carillon.Recorded{}
			c.events = c.events[:len(c.events)-1]
			return nil
		}
	}
	c.size += len(event.Payload)
	return nil
}

// scan fills in an event but for its texts, which [collector.settle] sets.
func (c *collector) scan(stmt *sqlite3.Stmt, event *carillon.Recorded) error {
	if typ := stmt.ColumnInt64(2); typ != c.typ {
		name, err := c.names.name(c.conn, typ)
		if err != nil {
			return err
		}
		c.typ, c.typeName = typ, name
	}
	event.Type = c.typeName
	event.Position = carillon.Position(stmt.ColumnInt64(0))
	event.Stream, event.Version = c.own, stmt.ColumnInt64(1)
	event.Time = time.UnixMicro(stmt.ColumnInt64(4)).UTC()
	event.Payload = c.payload(stmt.ColumnRawBlob(6))

	var ends textEnds
	c.text = appendID(c.text, stmt, 3)
	ends.id = len(c.text)
	c.text = append(c.text, stmt.ColumnRawBlob(5)...)
	ends.metadata = len(c.text)
	if c.own == "" {
		c.text = append(c.text, stmt.ColumnRawBlob(7)...)
	}
	ends.stream = len(c.text)
	c.ends = append(c.ends, ends)
	if len(c.text) < textBytes {
		return nil
	}
	return c.settle()
}

// settle sets the texts of the last events. Neighbours share memory.
func (c *collector) settle() error {
	text, start := string(c.text), 0
	last := c.events[len(c.events)-len(c.ends):]
	for i, ends := range c.ends {
		event := &last[i]
		event.ID = text[start:ends.id]
		if err := envelope.Parse(text[ends.id:ends.metadata], &event.Message); err != nil {
			return fmt.Errorf("event at position %d: %w", event.Position, err)
		}
		if c.own == "" {
			event.Stream = text[ends.metadata:ends.stream]
		}
		start = ends.stream
	}
	c.text, c.ends = c.text[:0], c.ends[:0]
	return nil
}

// payload copies a payload out of SQLite's memory into a slab shared with its neighbours of the page.
func (c *collector) payload(raw []byte) []byte {
	const slab = 64 << 10
	if len(raw) > slab/4 {
		return append([]byte(nil), raw...)
	}
	if len(c.slab)+len(raw) > cap(c.slab) {
		c.slab = make([]byte, 0, min(slab, max(4<<10, 2*cap(c.slab))))
	}
	if len(raw) > cap(c.slab) {
		c.slab = make([]byte, 0, slab)
	}
	start := len(c.slab)
	c.slab = append(c.slab, raw...)
	return c.slab[start:len(c.slab):len(c.slab)]
}

// appendID appends the text of an id, which is stored as its bytes when it is a UUID.
func appendID(text []byte, stmt *sqlite3.Stmt, column int) []byte {
	if stmt.ColumnType(column) != sqlite3.BLOB {
		return append(text, stmt.ColumnRawText(column)...)
	}
	raw := stmt.ColumnRawBlob(column)
	if len(raw) != len(uuid.UUID{}) {
		return append(text, raw...)
	}
	text = append(text, "00000000-0000-0000-0000-000000000000"...)
	digits := text[len(text)-36:]
	hex.Encode(digits, raw[:4])
	hex.Encode(digits[9:], raw[4:6])
	hex.Encode(digits[14:], raw[6:8])
	hex.Encode(digits[19:], raw[8:10])
	hex.Encode(digits[24:], raw[10:])
	return text
}
