package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
	"github.com/carillon-go/carillon/internal/topics"
)

// positionBits is how many bits of a message's place are its position.
const positionBits = 40

// place is where a message stands in the table of all topics.
func place(topic, position int64) int64 { return topic<<positionBits | position }

// Write writes publications in one flushed transaction.
func (t *topicTables) Write(ctx context.Context, batch []*topics.Publication) error {
	return t.write(ctx, carillon.Flushed, func(conn *connection) error {
		p := newPublisher(conn)
		for _, publication := range batch {
			if err := p.publish(publication); err != nil {
				return err
			}
		}
		return p.finish()
	})
}

// publisher writes messages within a transaction of the writer.
type publisher struct {
	conn     *connection
	table    table
	written  []*writtenTopic
	rows     []messageRow // which are not in the table yet
	now      int64
	metadata []byte
}

func newPublisher(conn *connection) *publisher {
	return &publisher{conn: conn, table: newTable("carillon_messages", 9)}
}

// messageRow is a message in its place.
type messageRow struct {
	message   *carillon.Message
	place     int64
	partition int
}

// writtenTopic is where a topic stands within the transaction.
type writtenTopic struct {
	id, last, maximum int64
	settled           int64 // by the slowest subscription, where there is a maximum
}

// publish takes a publication in, or says in it that the topic is full. An error ends the transaction.
func (p *publisher) publish(publication *topics.Publication) error {
	topic, err := p.topic(publication.Topic)
	if err != nil {
		return err
	}
	count := int64(len(publication.Messages))
	if topic.maximum > 0 && topic.last-topic.settled+count > topic.maximum {
		publication.Err = fmt.Errorf("topic %q holds %d messages, and may hold %d: %w",
			publication.Topic.Name, topic.last-topic.settled, topic.maximum, carillon.ErrTopicFull)
		return nil
	}
	publication.First = topic.last + 1
	for i := range publication.Messages {
		topic.last++
		p.rows = append(p.rows, messageRow{&publication.Messages[i], place(topic.id, topic.last), publication.Partitions[i]})
	}
	return nil
}

func (p *publisher) topic(wanted topics.Topic) (*writtenTopic, error) {
	for _, topic := range p.written {
		if topic.id == wanted.ID {
			return topic, nil
		}
	}
	const text = `SELECT last, maximum, CASE WHEN maximum > 0 THEN (SELECT min(h.position) FROM carillon_subscriptions s
		JOIN carillon_shares h ON h.subscription = s.id WHERE s.topic = t.id) END FROM carillon_topics t WHERE id = ?`
	topic := &writtenTopic{id: wanted.ID}
	err := p.conn.query(text, func(stmt *sqlite3.Stmt) error { return stmt.BindInt64(1, wanted.ID) }, func(stmt *sqlite3.Stmt) error {
		topic.last, topic.maximum, topic.settled = stmt.ColumnInt64(0), stmt.ColumnInt64(1), stmt.ColumnInt64(2)
		if stmt.ColumnType(2) == sqlite3.NULL { // nobody waits for anything
			topic.maximum = 0
		}
		return nil
	})
	p.written = append(p.written, topic)
	return topic, err
}

// bind binds a message's values from a parameter on.
func (p *publisher) bind(stmt *sqlite3.Stmt, parameter, index int) error {
	row := &p.rows[index]
	m := row.message
	p.metadata = envelope.Append(p.metadata[:0], m)
	return firstError(
		stmt.BindInt64(parameter, row.place),
		stmt.BindInt(parameter+1, row.partition),
		stmt.BindInt(parameter+2, int(m.Kind)),
		stmt.BindText(parameter+3, m.Type),
		bindID(stmt, parameter+4, m.ID),
		stmt.BindInt64(parameter+5, m.Time.UnixMicro()),
		stmt.BindInt64(parameter+6, p.now),
		bindOptional(stmt, parameter+7, p.metadata),
		stmt.BindBlob(parameter+8, m.Payload),
	)
}

// finish writes the messages, and where the topics stand.
func (p *publisher) finish() error {
	p.now = time.Now().UnixMicro()
	payload := func(index int) int { return len(p.rows[index].message.Payload) }
	if err := p.table.insert(p.conn, len(p.rows), payload, p.bind); err != nil {
		return err
	}
	for _, topic := range p.written {
		err := p.conn.exec("UPDATE carillon_topics SET last = ? WHERE id = ?", func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, topic.last), stmt.BindInt64(2, topic.id))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Read returns messages of some partitions.
func (t *topicTables) Read(
	ctx context.Context, topic topics.Topic, after, through int64, partitions []int, limit int,
) (entries []topics.Entry, more bool, err error) {
	const text = "SELECT place, partition, kind, type, id, time, metadata, payload FROM carillon_messages WHERE place > ? AND place <= ? ORDER BY place"
	var wanted [256]bool
	for _, partition := range partitions {
		wanted[partition] = true
	}
	c := entryCollector{}
	err = t.store.read(ctx, func(conn *connection) error {
		return conn.query(text, func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, place(topic.ID, after)), stmt.BindInt64(2, place(topic.ID, through)))
		}, func(stmt *sqlite3.Stmt) error {
			if partitions != nil && !wanted[stmt.ColumnInt(1)] {
				return nil
			}
			if c.size > pageBytes {
				more = true
				return errFull
			}
			if err := c.add(stmt); err != nil {
				return err
			}
			if len(c.entries) == limit {
				return errFull
			}
			return nil
		})
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	return c.entries, more, err
}

// entryCollector gathers rows into messages.
type entryCollector struct {
	collector

	entries []topics.Entry
}

func (c *entryCollector) add(stmt *sqlite3.Stmt) error {
	at := stmt.ColumnInt64(0)
	entry := topics.Entry{Position: at & (1<<positionBits - 1), Partition: stmt.ColumnInt(1)}
	m := &entry.Message
	c.text = append(c.text[:0], stmt.ColumnRawText(3)...)
	typ := len(c.text)
	c.text = appendID(c.text, stmt, 4)
	id := len(c.text)
	c.text = append(c.text, stmt.ColumnRawBlob(6)...)
	text := string(c.text)
	m.Kind, m.Type, m.ID = carillon.Kind(stmt.ColumnInt(2)), text[:typ], text[typ:id]
	m.Time = time.UnixMicro(stmt.ColumnInt64(5)).UTC()
	if err := envelope.Parse(text[id:], m); err != nil {
		return fmt.Errorf("message at position %d: %w", entry.Position, err)
	}
	m.Payload = c.payload(stmt.ColumnRawBlob(7))
	c.size += len(m.Payload)
	c.entries = append(c.entries, entry)
	return nil
}

// Look returns where topics stand. Nobody else changes who shares in them.
func (t *topicTables) Look(ctx context.Context, wanted []topics.Topic) ([]topics.Sight, error) {
	var sights []topics.Sight
	err := t.store.read(ctx, func(conn *connection) error {
		return conn.query("SELECT id, last FROM carillon_topics", nil, func(stmt *sqlite3.Stmt) error {
			id := stmt.ColumnInt64(0)
			if slices.ContainsFunc(wanted, func(topic topics.Topic) bool { return topic.ID == id }) {
				sights = append(sights, topics.Sight{Topic: id, Last: stmt.ColumnInt64(1)})
			}
			return nil
		})
	})
	return sights, err
}

// prunedAtOnce is how many messages are deleted in one transaction, at most.
const prunedAtOnce = 4096

// Prune deletes what every subscription has had, or what is older than the topic's retention. A topic without subscriptions keeps its
// messages that long.
func (t *topicTables) Prune(ctx context.Context, topic topics.Topic) (more bool, err error) {
	const bounds = `SELECT t.last, t.retention, coalesce((SELECT min(h.position) FROM carillon_subscriptions s
			JOIN carillon_shares h ON h.subscription = s.id WHERE s.topic = t.id), 0),
		coalesce((SELECT min(m.place) FROM carillon_messages m WHERE m.place > ?2) - ?2, t.last + 1) FROM carillon_topics t WHERE t.id = ?1`
	const expired = "SELECT max(place) FROM (SELECT place, published FROM carillon_messages WHERE place > ?1 AND place <= ?2) WHERE published < ?3"
	t.mu.Lock()
	defer t.mu.Unlock()
	from, base := t.pruned[topic.ID], place(topic.ID, 0)
	var last, retention, settled, until int64
	err = t.store.read(ctx, func(conn *connection) error {
		err := conn.query(bounds, func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, topic.ID), stmt.BindInt64(2, place(topic.ID, from)))
		}, func(stmt *sqlite3.Stmt) error {
			last, retention, settled = stmt.ColumnInt64(0), stmt.ColumnInt64(1), stmt.ColumnInt64(2)
			from = max(from, min(last, from+stmt.ColumnInt64(3)-1))
			return nil
		})
		if err != nil {
			return err
		}
		if until = min(settled, from+prunedAtOnce); until > from {
			return nil
		}
		return conn.query(expired, func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, base+from), stmt.BindInt64(2, base+min(last, from+prunedAtOnce)),
				stmt.BindInt64(3, time.Now().UnixMicro()-retention))
		}, func(stmt *sqlite3.Stmt) error {
			until = max(until, stmt.ColumnInt64(0)-base) // NULL reads as 0
			return nil
		})
	})
	if err != nil || until <= from {
		return false, err
	}
	err = t.write(ctx, carillon.Refoldable, func(conn *connection) error {
		return conn.exec("DELETE FROM carillon_messages WHERE place > ? AND place <= ?", func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, base+from), stmt.BindInt64(2, base+until))
		})
	})
	if err == nil {
		t.pruned[topic.ID] = until
	}
	return until == from+prunedAtOnce, err
}
