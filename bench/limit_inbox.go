package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ship implements [handTable] in two round trips: what is not in the inbox must be known before it is handled.
func (t *pgHandTable) ship(batch []inboxRow) error {
	ctx := context.Background()
	conn, err := t.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	t.ids = t.ids[:0]
	for i := range batch {
		t.ids = append(t.ids, batch[i].id)
	}
	fresh := make(map[uuid.UUID]bool, len(batch))
	begin := &pgx.Batch{}
	begin.Queue("BEGIN")
	begin.Queue("INSERT INTO inbox SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING message", t.ids).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			fresh[id] = true
			return nil
		})
		return err
	})
	err = conn.SendBatch(ctx, begin).Close()
	if err == nil {
		err = t.effects(batch, fresh)
	}
	if err != nil {
		_, undone := conn.Exec(ctx, "ROLLBACK")
		return errors.Join(err, undone)
	}
	end := &pgx.Batch{}
	end.Queue(`INSERT INTO shipments SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		t.orders, t.payloads)
	end.Queue(`INSERT INTO outbox (id, type, key, payload) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])`,
		t.ids, t.types, t.keys, t.payloads)
	end.Queue("COMMIT")
	return conn.SendBatch(ctx, end).Close()
}

// effects handles what is fresh, and lays out what it leads to.
func (t *pgHandTable) effects(batch []inboxRow, fresh map[uuid.UUID]bool) error {
	t.ids, t.types, t.keys, t.orders, t.payloads = t.ids[:0], t.types[:0], t.keys[:0], t.orders[:0], t.payloads[:0]
	for i := range batch {
		if !fresh[batch[i].id] {
			continue
		}
		shipment, encoded, err := batch[i].ship()
		if err != nil {
			return err
		}
		t.ids, t.types, t.keys = append(t.ids, derived(batch[i].id)), append(t.types, orderShipped), append(t.keys, shipment.Customer)
		t.orders, t.payloads = append(t.orders, shipment.Order), append(t.payloads, encoded)
	}
	return nil
}

// ship handles the message.
func (r *inboxRow) ship() (Shipment, []byte, error) {
	e, err := r.decode()
	if err != nil {
		return Shipment{}, nil, err
	}
	shipment := ship(e)
	encoded, err := json.Marshal(shipment)
	return shipment, encoded, err
}

// derived is the id of what a message leads to, the same however often it comes.
func derived(id uuid.UUID) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, id[:]) }

func (t *pgHandTable) shipped() (count int64, err error) {
	err = t.pool.QueryRow(context.Background(), "SELECT count(*) FROM outbox").Scan(&count)
	return count, err
}

// ship implements [handTable].
func (t *sqliteHandTable) ship(batch []inboxRow) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.begin.Exec(); err != nil {
		return err
	}
	for i := range batch {
		if err := t.shipOne(&batch[i]); err != nil {
			return errors.Join(err, t.writer.Exec("ROLLBACK"))
		}
	}
	return t.commit.Exec()
}

func (t *sqliteHandTable) shipOne(row *inboxRow) error {
	if err := first(t.receive.BindBlob(1, row.id[:]), t.receive.Exec()); err != nil || t.writer.Changes() == 0 {
		return err
	}
	shipment, encoded, err := row.ship()
	if err != nil {
		return err
	}
	id := derived(row.id)
	return first(
		t.effect.BindText(1, shipment.Order), t.effect.BindBlob(2, encoded), t.effect.Exec(),
		t.out.BindBlob(1, id[:]), t.out.BindText(2, orderShipped), t.out.BindText(3, shipment.Customer), t.out.BindBlob(4, encoded), t.out.Exec(),
	)
}

func (t *sqliteHandTable) shipped() (int64, error) {
	stmt, err := prepare(t.reader, "SELECT count(*) FROM outbox")
	if err != nil {
		return 0, err
	}
	defer stmt.Close()
	stmt.Step()
	return stmt.ColumnInt64(0), stmt.Err()
}
