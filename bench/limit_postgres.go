package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The hand-written log on PostgreSQL: one row that every append locks, so that positions have no gaps and come in the order of
// commits, and a unique index that checks versions.
const pgHandSchema = `
CREATE TABLE head (single boolean PRIMARY KEY DEFAULT true CHECK (single), head bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO head (head) VALUES (0);
CREATE TABLE events (
	position bigint PRIMARY KEY,
	version  bigint NOT NULL,
	time     bigint NOT NULL,
	type     text NOT NULL,
	stream   text NOT NULL COLLATE "C",
	id       uuid NOT NULL,
	payload  bytea NOT NULL
);
CREATE UNIQUE INDEX events_stream ON events (stream, version);
CREATE TABLE customers (key text PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE checkpoints (name text PRIMARY KEY, position bigint NOT NULL)`

const (
	// pgHandAppend is one statement and so one round trip and one transaction.
	pgHandAppend = `WITH next AS (UPDATE head SET head = head + 1 RETURNING head)
		INSERT INTO events (position, version, time, type, stream, id, payload) SELECT head, $1, $2, $3, $4, $5, $6 FROM next`
	// pgHandGroupAppend writes a batch, likewise.
	pgHandGroupAppend = `WITH next AS (UPDATE head SET head = head + cardinality($1::bigint[]) RETURNING head - cardinality($1::bigint[]) AS before)
		INSERT INTO events (position, version, time, type, stream, id, payload)
		SELECT before + place, n.version, n.time, n.type, n.stream, n.id, n.payload FROM next,
		unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::uuid[], $6::bytea[]) WITH ORDINALITY
			n (version, time, type, stream, id, payload, place)`
)

// uniqueViolation is the code of an error of a unique index.
const uniqueViolation = "23505"

// pgHandLog is a hand-written log. It is safe for concurrent use.
type pgHandLog struct{ pool *pgxpool.Pool }

// onHand runs work with a hand-written log in an empty schema, which is gone afterwards.
func (d *pgDatabase) onHand(ctx context.Context, connections int32, work func(*pgHandLog) (result, error)) (result, error) {
	schema := d.name()
	l, err := d.hand(ctx, schema, connections)
	if err != nil {
		return result{}, err
	}
	got, err := work(l)
	l.pool.Close()
	return got, errors.Join(err, d.drop(schema))
}

// hand makes a hand-written log in a schema. Its connections stand.
func (d *pgDatabase) hand(ctx context.Context, schema string, connections int32) (*pgHandLog, error) {
	pool, err := d.tables(ctx, schema, pgHandSchema, connections)
	if err != nil {
		return nil, err
	}
	return &pgHandLog{pool: pool}, nil
}

// append appends one event in a transaction of its own.
func (l *pgHandLog) append(ctx context.Context, stream string, version int64, payload []byte) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = l.pool.Exec(ctx, pgHandAppend, version, time.Now().UnixMicro(), orderPlaced, stream, id, payload)
	return pgVersionTaken(err)
}

func pgVersionTaken(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == uniqueViolation {
		return errVersionTaken
	}
	return err
}

// pgHandWriter commits what [handGroup] gathers, over one connection. The slices are used again.
type pgHandWriter struct {
	log      *pgHandLog
	versions []int64
	times    []int64
	types    []string
	streams  []string
	ids      []uuid.UUID
	payloads [][]byte
}

// write commits a batch in one statement. When a version is taken each request has a transaction of its own, so that it is that
// caller's outcome alone.
func (w *pgHandWriter) write(batch []*handRequest) error {
	ctx := context.Background()
	w.versions, w.times, w.types = w.versions[:0], w.times[:0], w.types[:0]
	w.streams, w.ids, w.payloads = w.streams[:0], w.ids[:0], w.payloads[:0]
	now := time.Now().UnixMicro()
	for _, r := range batch {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		r.err = nil
		w.versions, w.times, w.types = append(w.versions, r.version), append(w.times, now), append(w.types, orderPlaced)
		w.streams, w.ids, w.payloads = append(w.streams, r.stream), append(w.ids, id), append(w.payloads, r.payload)
	}
	_, err := w.log.pool.Exec(ctx, pgHandGroupAppend, w.versions, w.times, w.types, w.streams, w.ids, w.payloads)
	if err = pgVersionTaken(err); !errors.Is(err, errVersionTaken) {
		return err
	}
	for _, r := range batch {
		r.err = w.log.append(ctx, r.stream, r.version, r.payload)
	}
	return nil
}

// fill writes many events, a thousand to a transaction.
func (l *pgHandLog) fill(ctx context.Context, count int, event func(n int) (stream string, version int64, payload []byte)) error {
	w := &pgHandWriter{log: l}
	batch := make([]*handRequest, 1000)
	for i := range batch {
		batch[i] = &handRequest{}
	}
	for n := 0; n < count; {
		size := min(len(batch), count-n)
		for _, r := range batch[:size] {
			r.stream, r.version, r.payload = event(n)
			n++
		}
		if err := w.write(batch[:size]); err != nil {
			return err
		}
		for _, r := range batch[:size] {
			if r.err != nil {
				return r.err
			}
		}
	}
	return ctx.Err()
}

// check compares a log with what was acknowledged: exactly so many events, without a gap, all of the right size.
func (l *pgHandLog) check(ctx context.Context, want int64) error {
	var events, last, bytes int64
	err := l.pool.QueryRow(ctx, "SELECT count(*), coalesce(max(position), 0), coalesce(sum(octet_length(payload)), 0) FROM events").
		Scan(&events, &last, &bytes)
	if err == nil && (events != want || last != want || bytes != want*payloadBytes) {
		err = fmt.Errorf("%d events were acknowledged, the log holds %d up to position %d with %d bytes", want, events, last, bytes)
	}
	return err
}

// scan calls a function with the position, type and payload of every event, which are the connection's own memory.
func (l *pgHandLog) scan(ctx context.Context, event func(position int64, typ string, payload []byte) error) error {
	rows, err := l.pool.Query(ctx, "SELECT position, type, payload FROM events ORDER BY position")
	if err != nil {
		return err
	}
	var position int64
	var typ string
	var payload pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{&position, &typ, &payload}, func() error { return event(position, typ, payload) })
	return err
}
