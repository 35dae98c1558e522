package main

import (
	"context"
	"encoding/binary"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The tables of a hand-written topic on PostgreSQL, and of an inbox, its effects and an outbox. Of the topic there is one row that every transaction locks, so that positions have no gaps and come in the
// order of commits.
const pgHandTopicSchema = `
CREATE TABLE head (single boolean PRIMARY KEY DEFAULT true CHECK (single), head bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO head (head) VALUES (0);
CREATE TABLE messages (
	position bigint PRIMARY KEY,
	id       uuid NOT NULL,
	type     text NOT NULL,
	key      text NOT NULL,
	payload  bytea NOT NULL
);
CREATE TABLE checkpoints (name text PRIMARY KEY, position bigint NOT NULL);
INSERT INTO checkpoints VALUES ('shipping', 0);
CREATE TABLE inbox (message uuid PRIMARY KEY);
CREATE TABLE shipments (key text PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE outbox (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL, type text NOT NULL, key text NOT NULL, payload bytea NOT NULL);`

const (
	pgHandTopicAdd = `WITH next AS (UPDATE head SET head = head + cardinality($1::uuid[]) RETURNING head - cardinality($1::uuid[]) AS before)
		INSERT INTO messages (position, id, type, key, payload) SELECT before + place, n.id, n.type, n.key, n.payload
		FROM next, unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY n (id, type, key, payload, place)`
	pgHandTopicRead = "SELECT position, id, type, key, payload FROM messages WHERE position > $1 ORDER BY position LIMIT $2"
)

// pgHandTable implements [handTable]. Its slices are used again.
type pgHandTable struct {
	pool     *pgxpool.Pool
	ids      []uuid.UUID
	types    []string
	keys     []string
	orders   []string
	payloads [][]byte
}

// openPGHandTopic makes a topic in a schema, with a connection each for writing, reading and settling.
func openPGHandTopic(ctx context.Context, d *pgDatabase, callers int, handle receiver) (carrier, error) {
	table, err := openPGHandTable(ctx, d)
	if err != nil {
		return nil, err
	}
	return startHandTopic(table, callers, handle), nil
}

// openPGHandTable makes the tables in a schema.
func openPGHandTable(ctx context.Context, d *pgDatabase) (*pgHandTable, error) {
	pool, err := d.tables(ctx, d.name(), pgHandTopicSchema, 3)
	if err != nil {
		return nil, err
	}
	return &pgHandTable{pool: pool}, nil
}

func (t *pgHandTable) add(batch []*handRequest) error {
	t.ids, t.types, t.keys, t.payloads = t.ids[:0], t.types[:0], t.keys[:0], t.payloads[:0]
	for _, r := range batch {
		for i := range r.parcels {
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			t.ids, t.types = append(t.ids, id), append(t.types, orderPlaced)
			t.keys, t.payloads = append(t.keys, r.parcels[i].key), append(t.payloads, r.parcels[i].payload)
		}
	}
	_, err := t.pool.Exec(context.Background(), pgHandTopicAdd, t.ids, t.types, t.keys, t.payloads)
	return err
}

func (t *pgHandTable) read(after int64, limit int, each func(handRow) error) (int64, error) {
	rows, err := t.pool.Query(context.Background(), pgHandTopicRead, after, limit)
	if err != nil {
		return after, err
	}
	defer rows.Close()
	for rows.Next() {
		v := rows.RawValues()
		after = int64(binary.BigEndian.Uint64(v[0]))
		if err := each(handRow{id: v[1], typ: v[2], key: v[3], payload: v[4]}); err != nil {
			return after, err
		}
	}
	return after, rows.Err()
}

func (t *pgHandTable) settle(position int64) error {
	ctx := context.Background()
	return pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("SET LOCAL synchronous_commit = off")
		batch.Queue("UPDATE checkpoints SET position = $1 WHERE name = 'shipping'", position)
		batch.Queue("DELETE FROM messages WHERE position <= $1", position)
		return tx.SendBatch(ctx, batch).Close()
	})
}

func (t *pgHandTable) close() error {
	t.pool.Close()
	return nil
}
