package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
	"github.com/carillon-go/carillon/internal/topics"
)

// writeMessages is one statement and so, by itself, one transaction: it gives the positions and writes the messages. Without a row the
// topic is full.
const writeMessages = giveMessages + "SELECT before FROM next"

// publishMessages is [writeMessages] within a transaction that goes on without looking: it fails with [codeNoNumber] when the topic is full.
const publishMessages = giveMessages + "SELECT coalesce((SELECT before FROM next)::text, 'topic ' || $1::integer || ' is full')::bigint"

const giveMessages = `WITH next AS (
		UPDATE {{schema}}.topics k SET last = k.last + $2 WHERE k.id = $1 AND (k.maximum = 0 OR k.last + $2 - coalesce((` + settledMessages + `),
			k.last + $2) <= k.maximum) RETURNING k.last - $2 AS before),
	written AS (
		INSERT INTO {{schema}}.messages (topic, position, partition, kind, time, type, id, metadata, payload)
		SELECT $1, next.before + n.place, n.partition, n.kind, n.time, n.type, n.id, n.metadata, n.payload FROM next,
			unnest($3::smallint[], $4::smallint[], $5::bigint[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[]) WITH ORDINALITY
			n (partition, kind, time, type, id, metadata, payload, place))
	`

// settledMessages is how far the slowest subscription of a topic has come, NULL when it has none.
const settledMessages = `SELECT min(h.position) FROM {{schema}}.shares h JOIN {{schema}}.subscriptions s ON s.id = h.subscription WHERE s.topic = $1`

// Write writes publications to one topic in one transaction. Where not all have room each has a transaction of its own.
func (t *topicTables) Write(ctx context.Context, batch []*topics.Publication) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	var before int64
	err := t.pool.QueryRow(ctx, t.texts.fill(writeMessages), messageArguments(batch)...).Scan(&before)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && len(batch) > 1:
		for i := range batch {
			if err := t.Write(ctx, batch[i:i+1]); err != nil {
				batch[i].Err = err
			}
		}
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		batch[0].Err = full(batch[0].Topic)
		return nil
	case err != nil:
		return failed(ctx, err)
	}
	place(batch, before)
	return nil
}

func full(topic topics.Topic) error {
	return fmt.Errorf("topic %q holds as many messages as it may: %w", topic.Name, carillon.ErrTopicFull)
}

// place gives publications their positions, behind one.
func place(batch []*topics.Publication, before int64) {
	for _, p := range batch {
		p.First = before + 1
		before += int64(len(p.Messages))
	}
}

// messageArguments are those of [writeMessages].
func messageArguments(batch []*topics.Publication) []any {
	count := 0
	for _, p := range batch {
		count += len(p.Messages)
	}
	partitions, kinds, times, types := make([]int16, 0, count), make([]int16, 0, count), make([]int64, 0, count), make([]string, 0, count)
	ids, metadata, payloads := make([][]byte, 0, count), make([][]byte, 0, count), make([][]byte, 0, count)
	var buffer []byte
	for _, p := range batch {
		for i := range p.Messages {
			m := &p.Messages[i]
			partitions, kinds = append(partitions, int16(p.Partitions[i])), append(kinds, int16(m.Kind))
			times, types, ids = append(times, m.Time.UnixMicro()), append(types, m.Type), append(ids, storedID(m.ID))
			start := len(buffer)
			if buffer = envelope.Append(buffer, m); len(buffer) > start {
				metadata = append(metadata, buffer[start:len(buffer):len(buffer)])
			} else {
				metadata = append(metadata, nil)
			}
			payloads = append(payloads, m.Payload)
		}
	}
	return []any{batch[0].Topic.ID, int64(count), partitions, kinds, times, types, ids, metadata, payloads}
}

const (
	entryColumns  = "SELECT position, partition, kind, time, type, id, metadata, payload FROM {{schema}}.messages WHERE topic = $1 AND position > $2 AND position <= $3"
	selectEntries = entryColumns + " ORDER BY position LIMIT $4"
	selectSome    = entryColumns + " AND partition = ANY ($5::smallint[]) ORDER BY position LIMIT $4"
)

// Read returns messages of some partitions.
func (t *topicTables) Read(
	ctx context.Context, topic topics.Topic, after, through int64, partitions []int, limit int,
) (entries []topics.Entry, more bool, err error) {
	if err := t.usable(ctx); err != nil {
		return nil, false, err
	}
	text, arguments := selectEntries, []any{topic.ID, after, through, limit}
	if partitions != nil {
		text, arguments = selectSome, append(arguments, partitions)
	}
	rows, err := t.pool.Query(ctx, t.texts.fill(text), arguments...)
	if err != nil {
		return nil, false, failed(ctx, err)
	}
	c := entryCollector{entries: make([]topics.Entry, 0, min(int64(limit), through-after))}
	more, err = c.collect(rows)
	return c.entries, more, failed(ctx, err)
}

// entryCollector turns rows into messages.
type entryCollector struct {
	collector

	entries []topics.Entry
	size    int
}

// collect reads rows until their messages grow large.
func (c *entryCollector) collect(rows pgx.Rows) (more bool, err error) {
	defer rows.Close()
	for rows.Next() {
		if c.size > carillon.PageSize {
			return true, nil
		}
		if len(c.entries) == 0 {
			for i, field := range rows.FieldDescriptions() {
				if field.Format != pgx.BinaryFormatCode && i != 4 { // a text is the same in both
					return false, errFormat
				}
			}
		}
		if err := c.add(rows.RawValues()); err != nil {
			return false, err
		}
	}
	return false, rows.Err()
}

// add fills in a message. Its own texts share one piece of memory.
func (c *entryCollector) add(values [][]byte) error {
	entry := topics.Entry{Position: integer(values[0]), Partition: int(integer(values[1]))}
	m := &entry.Message
	c.text = append(c.text[:0], values[4]...)
	typ := len(c.text)
	c.text = appendID(c.text, values[5])
	id := len(c.text)
	c.text = append(c.text, values[6]...)
	text := string(c.text)
	m.Kind, m.Type, m.ID = carillon.Kind(integer(values[2])), text[:typ], text[typ:id]
	m.Time = time.UnixMicro(integer(values[3])).UTC()
	if err := envelope.Parse(text[id:], m); err != nil {
		return fmt.Errorf("message at position %d: %w", entry.Position, err)
	}
	m.Payload = c.payload(values[7])
	c.size += len(m.Payload)
	c.entries = append(c.entries, entry)
	return nil
}

// Look returns where topics stand.
func (t *topicTables) Look(ctx context.Context, wanted []topics.Topic) ([]topics.Sight, error) {
	const text = `SELECT k.id, k.last, coalesce((SELECT sum(s.changed) FROM {{schema}}.subscriptions s WHERE s.topic = k.id), 0)::bigint
		FROM {{schema}}.topics k WHERE k.id = ANY ($1::integer[])`
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	ids := make([]int64, len(wanted))
	for i := range wanted {
		ids[i] = wanted[i].ID
	}
	rows, err := t.pool.Query(ctx, t.texts.fill(text), ids)
	if err != nil {
		return nil, failed(ctx, err)
	}
	sights, err := pgx.CollectRows(rows, pgx.RowToStructByPos[topics.Sight])
	return sights, failed(ctx, err)
}

// prunedAtOnce is how many messages are deleted in one transaction, at most.
const prunedAtOnce = 4096

// Prune deletes what every subscription has had, or what is older than the topic's retention. A topic without subscriptions keeps its
// messages that long. It goes on where it ended last: below there are many rows that are deleted and not yet gone.
func (t *topicTables) Prune(ctx context.Context, topic topics.Topic) (more bool, err error) {
	const first = `SELECT coalesce((SELECT m.position - 1 FROM {{schema}}.messages m WHERE m.topic = $1 AND m.position > $2 ORDER BY m.position LIMIT 1), $2)`
	const until = `SELECT CASE WHEN s.position > $2 THEN least($2 + $3, s.position) ELSE
			(SELECT coalesce(max(m.position), 0) FROM {{schema}}.messages m, {{schema}}.topics k WHERE k.id = $1 AND m.topic = $1
				AND m.position > $2 AND m.position <= $2 + $3 AND m.published < now() - k.retention) END
		FROM (SELECT coalesce((` + settledMessages + `), 0) AS position) s`
	if err := t.usable(ctx); err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	from, to := t.pruned[topic.ID], int64(0)
	if err := t.pool.QueryRow(ctx, t.texts.fill(first), topic.ID, from).Scan(&from); err != nil {
		return false, failed(ctx, err)
	}
	if err := t.pool.QueryRow(ctx, t.texts.fill(until), topic.ID, from, int64(prunedAtOnce)).Scan(&to); err != nil {
		return false, failed(ctx, err)
	}
	if to > from {
		batch := &pgx.Batch{}
		batch.Queue(notFlushed)
		batch.Queue(t.texts.fill("DELETE FROM {{schema}}.messages WHERE topic = $1 AND position > $2 AND position <= $3"), topic.ID, from, to)
		if err := t.pool.SendBatch(ctx, batch).Close(); err != nil {
			return false, failed(ctx, err)
		}
	}
	t.pruned[topic.ID] = max(from, to)
	return to == from+prunedAtOnce, nil
}
