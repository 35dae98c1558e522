package sqlite

import (
	"math"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

const (
	// rowsAtOnce is how many rows one statement inserts, which spares most of what starting and ending a statement costs.
	rowsAtOnce = 16
	// bytesAtOnce bounds the payloads of one statement, which the engine keeps until the next one.
	bytesAtOnce = 64 << 10
)

// rows gathers the events and tags of a batch, to be inserted many at a time. What it holds is not in the file yet.
type rows struct {
	events               []eventRow
	tags                 []tagRow
	metadata             []byte
	eventTable, tagTable table
}

func newRows() rows {
	return rows{eventTable: newTable("carillon_events", 8), tagTable: newTable("carillon_tags", 3)}
}

type eventRow struct {
	event             *carillon.Message
	stream            string
	version, position int64
	typ               int64
}

type tagRow struct {
	tag           carillon.Tag
	position, typ int64
}

func (r *rows) add(row eventRow) {
	r.events = append(r.events, row)
	for _, tag := range row.event.Tags {
		r.tags = append(r.tags, tagRow{tag: tag, position: row.position, typ: row.typ})
	}
}

// from is the position of the first event in r, beyond all others when there is none.
func (r *rows) from() carillon.Position {
	if len(r.events) == 0 {
		return math.MaxInt64
	}
	return carillon.Position(r.events[0].position)
}

// insert empties r into the tables.
func (r *rows) insert(conn *connection) error {
	payload := func(index int) int { return len(r.events[index].event.Payload) }
	err := r.eventTable.insert(conn, len(r.events), payload, r.bindEvent)
	if err == nil {
		err = r.tagTable.insert(conn, len(r.tags), func(int) int { return 0 }, r.bindTag)
	}
	r.forget()
	return err
}

// forget drops what r holds.
func (r *rows) forget() {
	clear(r.events)
	clear(r.tags)
	r.events, r.tags = r.events[:0], r.tags[:0]
}

// bindEvent binds an event's values from a parameter on.
func (r *rows) bindEvent(stmt *sqlite3.Stmt, parameter, index int) error {
	row := &r.events[index]
	r.metadata = envelope.Append(r.metadata[:0], row.event)
	return firstError(
		stmt.BindInt64(parameter, row.position),
		bindStream(stmt, parameter+1, row.stream, row.version),
		stmt.BindInt64(parameter+3, row.typ),
		bindID(stmt, parameter+4, row.event.ID),
		stmt.BindInt64(parameter+5, row.event.Time.UnixMicro()),
		bindOptional(stmt, parameter+6, r.metadata),
		stmt.BindBlob(parameter+7, row.event.Payload),
	)
}

// bindTag binds a tag's values from a parameter on.
func (r *rows) bindTag(stmt *sqlite3.Stmt, parameter, index int) error {
	row := &r.tags[index]
	return firstError(
		stmt.BindText(parameter, string(row.tag)), stmt.BindInt64(parameter+1, row.position), stmt.BindInt64(parameter+2, row.typ),
	)
}

// table is a table by the statements that insert into it.
type table struct {
	columns   int
	one, many string
}

func newTable(name string, columns int) table {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	one := "INSERT INTO " + name + " VALUES " + row
	return table{columns: columns, one: one, many: one + strings.Repeat(", "+row, rowsAtOnce-1)}
}

// insert inserts rows by their index, [rowsAtOnce] at a time as long as there are so many and their payloads are not large. bind binds a
// row's values from a parameter on.
func (t *table) insert(conn *connection, count int, payload func(index int) int, bind func(stmt *sqlite3.Stmt, parameter, index int) error) error {
	for index := 0; index < count; {
		text, size := t.one, 1
		if count-index >= rowsAtOnce && together(index, payload) {
			text, size = t.many, rowsAtOnce
		}
		stmt, err := conn.statement(text)
		if err != nil {
			return err
		}
		for i := range size {
			if err := bind(stmt, 1+i*t.columns, index+i); err != nil {
				return err
			}
		}
		if err := stmt.Exec(); err != nil {
			return err
		}
		index += size
	}
	return nil
}

// together reports whether the rows from one on are small enough for one statement.
func together(from int, payload func(index int) int) bool {
	size := 0
	for i := range rowsAtOnce {
		size += payload(from + i)
	}
	return size <= bytesAtOnce
}

// bindStream binds the stream's name and the event's version in it, or neither.
func bindStream(stmt *sqlite3.Stmt, parameter int, stream string, version int64) error {
	if stream == "" {
		return firstError(stmt.BindNull(parameter), stmt.BindNull(parameter+1))
	}
	return firstError(stmt.BindText(parameter, stream), stmt.BindInt64(parameter+1, version))
}

// bindID stores a UUID as a blob of 16 bytes and any other id as text.
func bindID(stmt *sqlite3.Stmt, parameter int, id string) error {
	if raw, ok := envelope.UUID(id); ok {
		return stmt.BindBlob(parameter, raw[:])
	}
	return stmt.BindText(parameter, id)
}

func bindOptional(stmt *sqlite3.Stmt, parameter int, value []byte) error {
	if len(value) == 0 {
		return stmt.BindNull(parameter)
	}
	return stmt.BindBlob(parameter, value)
}
