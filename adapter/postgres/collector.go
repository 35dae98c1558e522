package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

// maxRoom bounds the events that room is made for before there are so many: callers ask for about as many as they expect.
const maxRoom = 2048

// collector turns rows into events, up to a limit.
type collector struct {
	names  *typeNames
	limit  int
	events []carillon.Recorded
	types  []int32 // of the events whose types have no known name, by index, 0 for the others
	more   bool
	head   carillon.Position // where the rows tell it
	slab   []byte
	text   []byte
}

// errFormat: rows come as text.
var errFormat = errors.New("rows come in text form: leave out default_query_exec_mode, or set it to cache_statement or cache_describe")

// errOrder: rows do not come in the order of their positions.
var errOrder = errors.New("rows out of order")

// collect reads all rows. Their columns are those that [columns] lists, and whether more was found behind a row. A row without a
// position tells the head.
func (c *collector) collect(rows pgx.Rows) error {
	defer rows.Close()
	checked, last := false, carillon.Position(0)
	for rows.Next() {
		if !checked {
			for i, field := range rows.FieldDescriptions() {
				if field.Format != pgx.BinaryFormatCode && i != 7 { // a text is the same in both
					return errFormat
				}
			}
			checked = true
		}
		values := rows.RawValues()
		if values[0] == nil {
			c.head = carillon.Position(integer(values[1]))
			continue
		}
		if len(c.events) == c.limit {
			continue
		}
		if c.events == nil {
			c.events = make([]carillon.Recorded, 0, min(c.limit, maxRoom))
		}
		c.events = append(c.events, carillon.Recorded{})
		event := &c.events[len(c.events)-1]
		if err := c.scan(values, event); err != nil {
			return err
		}
		if event.Position <= last {
			return errOrder
		}
		last, c.more = event.Position, values[8][0] != 0
	}
	rows.Close()
	return rows.Err()
}

// integer reads a bigint, an integer or a smallint; NULL reads as 0.
func integer(value []byte) int64 {
	switch len(value) {
	case 8:
		return int64(binary.BigEndian.Uint64(value))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(value)))
	case 2:
		return int64(int16(binary.BigEndian.Uint16(value)))
	default:
		return 0
	}
}

// scan fills in an event. Its own texts share one piece of memory.
func (c *collector) scan(values [][]byte, event *carillon.Recorded) error {
	c.text = appendID(c.text[:0], values[4])
	id := len(c.text)
	c.text = append(c.text, values[5]...)
	metadata := len(c.text)
	c.text = append(c.text, values[7]...)
	text := string(c.text)

	event.Position, event.Version = carillon.Position(integer(values[0])), integer(values[1])
	number := int32(integer(values[2]))
	name, ok := c.names.name(number)
	if !ok {
		c.types = append(slices.Grow(c.types, cap(c.events)), make([]int32, len(c.events)-len(c.types))...)
		c.types[len(c.events)-1] = number
	}
	event.Type = name
	event.Time = time.UnixMicro(integer(values[3])).UTC()
	event.ID, event.Stream = text[:id], text[metadata:]
	if err := envelope.Parse(text[id:metadata], &event.Message); err != nil {
		return fmt.Errorf("event at position %d: %w", event.Position, err)
	}
	event.Payload = c.payload(values[6])
	return nil
}

// payload copies a payload out of the connection's memory into a slab shared with its neighbours of the page.
func (c *collector) payload(raw []byte) []byte {
	const slab = 64 << 10
	if len(raw) > slab/4 {
		return slices.Clone(raw)
	}
	if len(c.slab)+len(raw) > cap(c.slab) {
		c.slab = make([]byte, 0, max(len(raw), min(slab, max(4<<10, 2*cap(c.slab)))))
	}
	start := len(c.slab)
	c.slab = append(c.slab, raw...)
	return c.slab[start:len(c.slab):len(c.slab)]
}

// nameTypes fills in the names of types that were not known when the rows were read.
func (s *Store) nameTypes(ctx context.Context, c *collector) error {
	if len(c.types) == 0 {
		return nil
	}
	if err := s.learnNumbers(ctx, c.types); err != nil {
		return err
	}
	for i, number := range c.types {
		if number == 0 {
			continue
		}
		name, err := s.typeName(number)
		if err != nil {
			return err
		}
		c.events[i].Type = name
	}
	return nil
}
