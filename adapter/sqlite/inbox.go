package sqlite

import (
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

const (
	// defaultInboxRetention is how long receipts are kept: for a day longer than topics keep messages, which may be published again.
	defaultInboxRetention = carillon.DefaultRetention + 24*time.Hour
	// receiptsPruned is how many old receipts are deleted at once, at most, and pruneReceiptsEvery after how many new ones.
	receiptsPruned     = 1024
	pruneReceiptsEvery = 256
)

// InboxRetention sets how long the store remembers which messages a consumer has handled. Default: eight days, one more
// than topics keep messages by default. What comes again after
// that is handled again.
func InboxRetention(d time.Duration) Option { return func(s *Source) { s.inboxRetention = d } }

// Receive notes messages as handled. The writer runs one transaction at a time, so nobody else's is waited for.
func (u *update) Receive(receipts []carillon.Receipt) (first []bool, err error) {
	const text = "INSERT INTO carillon_inbox (consumer, message, revision, time) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
	first = make([]bool, len(receipts))
	now := time.Now()
	for i := range receipts {
		stmt, err := u.conn.statement(text)
		if err != nil {
			return nil, err
		}
		err = firstError(
			stmt.BindText(1, u.ref.Name), bindID(stmt, 2, receipts[i].ID), stmt.BindInt(3, receipts[i].Revision),
			stmt.BindInt64(4, now.UnixMicro()), stmt.Exec(),
		)
		if err != nil {
			return nil, err
		}
		first[i] = u.conn.Changes() > 0
	}
	w := u.writer
	if w.received += len(receipts); w.received < pruneReceiptsEvery {
		return first, nil
	}
	w.received = 0
	return first, pruneReceipts(u.conn, now.Add(-u.writer.source.inboxRetention))
}

// pruneReceipts deletes some of those that are older.
func pruneReceipts(conn *connection, before time.Time) error {
	const text = "DELETE FROM carillon_inbox WHERE id IN (SELECT id FROM carillon_inbox ORDER BY id LIMIT ?) AND time < ?"
	return conn.exec(text, func(stmt *sqlite3.Stmt) error {
		return firstError(stmt.BindInt(1, receiptsPruned), stmt.BindInt64(2, before.UnixMicro()))
	})
}
