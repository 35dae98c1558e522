package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
)

const (
	// defaultInboxRetention is how long receipts are kept: for a day longer than topics keep messages, which may be published again.
	defaultInboxRetention = carillon.DefaultRetention + 24*time.Hour
	// receiptsPruned is how many old receipts are deleted at once, at most, and pruneReceiptsEvery after how many new ones.
	receiptsPruned     = 2048
	pruneReceiptsEvery = 1024
)

// InboxRetention sets how long the store remembers which messages a consumer has handled. Default: eight days, one more
// than topics keep messages by default. What comes again after
// that is handled again.
func InboxRetention(d time.Duration) Option { return func(s *Source) { s.inboxRetention = d } }

// Receive notes messages as handled, in one round trip. They are noted in order of id, so that transactions wait for each other in one
// direction.
func (u *update) Receive(receipts []carillon.Receipt) (first []bool, err error) {
	const text = `INSERT INTO {{schema}}.inbox (consumer, message, revision)
		SELECT $1, n.message, n.revision FROM unnest($2::bytea[], $3::integer[]) n (message, revision) ORDER BY 2, 3
		ON CONFLICT DO NOTHING RETURNING message, revision`
	type key struct {
		message  string
		revision int
	}
	messages, revisions := make([][]byte, len(receipts)), make([]int, len(receipts))
	for i := range receipts {
		messages[i], revisions[i] = storedID(receipts[i].ID), receipts[i].Revision
	}
	noted := make(map[key]bool, len(receipts))
	err = u.send(func(batch *pgx.Batch) {
		batch.Queue(u.store.texts.fill(text), u.ref.Name, messages, revisions).Query(func(rows pgx.Rows) error {
			var message []byte
			var revision int
			_, err := pgx.ForEachRow(rows, []any{&message, &revision}, func() error {
				noted[key{string(message), revision}] = true
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	first = make([]bool, len(receipts))
	for i := range receipts {
		k := key{string(messages[i]), revisions[i]}
		first[i] = noted[k]
		delete(noted, k) // the second time within a call is no first
	}
	u.received += len(receipts)
	return first, nil
}

// pruneReceipts deletes some of the oldest receipts once enough new ones were noted. What cannot be deleted now is later.
func (s *Store) pruneReceipts(ctx context.Context, conn *pgx.Conn, received int) {
	const text = `DELETE FROM {{schema}}.inbox WHERE ctid = ANY (ARRAY (SELECT ctid FROM {{schema}}.inbox
		WHERE time < now() - $1::interval ORDER BY time LIMIT $2 FOR UPDATE SKIP LOCKED))`
	if received == 0 || s.received.Add(int64(received)) < pruneReceiptsEvery {
		return
	}
	s.received.Store(0)
	batch := &pgx.Batch{}
	batch.Queue(notFlushed)
	batch.Queue(s.texts.fill(text), s.source.inboxRetention, receiptsPruned)
	_ = conn.SendBatch(ctx, batch).Close()
}
