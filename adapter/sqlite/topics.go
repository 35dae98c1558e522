package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// topicTables are the tables of a store's topics.
type topicTables struct {
	store *Store
	local *topics.Local

	mu     sync.Mutex
	pruned map[int64]int64 // by topic: what stands up to this position is deleted
}

func newTopicTables(s *Store) *topicTables {
	t := &topicTables{store: s, pruned: make(map[int64]int64)}
	t.local = topics.NewLocal(t.positions, t.note)
	return t
}

// write runs fn in one transaction of the writer.
func (t *topicTables) write(ctx context.Context, durability carillon.Durability, fn func(*connection) error) error {
	if err := t.store.writable(ctx); err != nil {
		return err
	}
	w := t.store.writer
	if err := w.lock(ctx, durability); err != nil {
		return err
	}
	defer w.unlock()
	return w.transaction(ctx, func() error { return fn(w.conn) })
}

// Declare adds a topic and its subscriptions, which begin behind its last message. Of a topic that is there the retention may become
// longer, and the limit another.
func (t *topicTables) Declare(ctx context.Context, wanted carillon.Topic) error {
	const text = `INSERT INTO carillon_topics (name, partitions, retention, maximum, last) VALUES (?1, ?2, ?3, ?4, 0)
		ON CONFLICT (name) DO UPDATE SET retention = max(retention, excluded.retention),
			maximum = CASE WHEN excluded.maximum > 0 THEN excluded.maximum ELSE maximum END`
	return t.write(ctx, carillon.Flushed, func(conn *connection) error {
		err := conn.exec(text, func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindText(1, wanted.Name), stmt.BindInt(2, wanted.Partitions),
				stmt.BindInt64(3, wanted.Retention.Microseconds()), stmt.BindInt64(4, wanted.Limit))
		})
		if err != nil {
			return err
		}
		topic, err := findTopic(conn, wanted.Name)
		if err != nil {
			return err
		}
		if topic.Partitions != wanted.Partitions {
			return fmt.Errorf("it has %d partitions, not %d: %w", topic.Partitions, wanted.Partitions, carillon.ErrConflict)
		}
		for _, name := range wanted.Subscriptions {
			if err := declareSubscription(conn, topic, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func declareSubscription(conn *connection, topic topics.Topic, name string) error {
	const text = `INSERT INTO carillon_shares SELECT ?1, value, (SELECT last FROM carillon_topics WHERE id = ?2) FROM
		(WITH RECURSIVE counted (value) AS (VALUES (0) UNION ALL SELECT value + 1 FROM counted WHERE value + 1 < ?3) SELECT value FROM counted)`
	err := conn.exec("INSERT INTO carillon_subscriptions (topic, name) VALUES (?, ?) ON CONFLICT DO NOTHING", func(stmt *sqlite3.Stmt) error {
		return firstError(stmt.BindInt64(1, topic.ID), stmt.BindText(2, name))
	})
	if err != nil || conn.Changes() == 0 {
		return err
	}
	subscription := conn.LastInsertRowID()
	return conn.exec(text, func(stmt *sqlite3.Stmt) error {
		return firstError(stmt.BindInt64(1, subscription), stmt.BindInt64(2, topic.ID), stmt.BindInt(3, topic.Partitions))
	})
}

func findTopic(conn *connection, name string) (topic topics.Topic, err error) {
	err = conn.query("SELECT id, partitions FROM carillon_topics WHERE name = ?", func(stmt *sqlite3.Stmt) error {
		return stmt.BindText(1, name)
	}, func(stmt *sqlite3.Stmt) error {
		topic = topics.Topic{ID: stmt.ColumnInt64(0), Name: name, Partitions: stmt.ColumnInt(1)}
		return nil
	})
	if err == nil && topic.ID == 0 {
		err = fmt.Errorf("topic %q: declare it first: %w", name, carillon.ErrNotFound)
	}
	return topic, err
}

// Topic returns a topic.
func (t *topicTables) Topic(ctx context.Context, name string) (topic topics.Topic, err error) {
	err = t.store.read(ctx, func(conn *connection) (err error) {
		topic, err = findTopic(conn, name)
		return err
	})
	return topic, err
}

// Subscription returns the number of a subscription. Consumers write, so there is none in a store that is read only.
func (t *topicTables) Subscription(ctx context.Context, topic topics.Topic, name string) (id int64, err error) {
	if err := t.store.writable(ctx); err != nil {
		return 0, err
	}
	err = t.store.read(ctx, func(conn *connection) error {
		return conn.query("SELECT id FROM carillon_subscriptions WHERE topic = ? AND name = ?", func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, topic.ID), stmt.BindText(2, name))
		}, func(stmt *sqlite3.Stmt) error {
			id = stmt.ColumnInt64(0)
			return nil
		})
	})
	if err == nil && id == 0 {
		err = carillon.ErrNotFound
	}
	return id, err
}

// countedBacklog is how many messages a backlog is counted for; of a longer one it is told how far it reaches.
const countedBacklog = 100_000

// Backlog counts the messages behind the checkpoints of their partitions.
func (t *topicTables) Backlog(ctx context.Context, topic topics.Topic, subscription int64) (topics.Backlog, error) {
	const reach = `SELECT t.last, coalesce((SELECT min(position) FROM carillon_shares WHERE subscription = ?2), t.last)
		FROM carillon_topics t WHERE t.id = ?1`
	const count = `SELECT count(*), min(m.published) FROM carillon_messages m
		JOIN carillon_shares s ON s.subscription = ?3 AND s.partition = m.partition
		WHERE m.place > ?1 AND m.place <= ?2 AND (m.place & 0xffffffffff) > s.position`
	var backlog topics.Backlog
	var last, settled, oldest int64
	err := t.store.read(ctx, func(conn *connection) error {
		err := conn.query(reach, func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, topic.ID), stmt.BindInt64(2, subscription))
		}, func(stmt *sqlite3.Stmt) error {
			last, settled = stmt.ColumnInt64(0), stmt.ColumnInt64(1)
			return nil
		})
		if err != nil {
			return err
		}
		return conn.query(count, func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, place(topic.ID, settled)), stmt.BindInt64(2, place(topic.ID, min(last, settled+countedBacklog))),
				stmt.BindInt64(3, subscription))
		}, func(stmt *sqlite3.Stmt) error {
			backlog.Messages, oldest = stmt.ColumnInt64(0), stmt.ColumnInt64(1)
			return nil
		})
	})
	backlog.Messages += max(0, last-settled-countedBacklog)
	if oldest > 0 {
		backlog.Oldest = max(0, time.Since(time.UnixMicro(oldest)))
	}
	backlog.Held, backlog.Ahead = t.local.Held(subscription)
	return backlog, err
}

// Rewind sets the checkpoints of a subscription back.
func (t *topicTables) Rewind(ctx context.Context, topic topics.Topic, subscription int64) error {
	const expired = `SELECT coalesce(max(m.place) - ?1, 0) FROM carillon_messages m, carillon_topics t
		WHERE t.id = ?3 AND m.place > ?1 AND m.place <= ?2 AND m.published < ?4 - t.retention`
	var begin int64
	err := t.write(ctx, carillon.Flushed, func(conn *connection) error {
		err := conn.query(expired, func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, place(topic.ID, 0)), stmt.BindInt64(2, place(topic.ID+1, 0)-1), stmt.BindInt64(3, topic.ID),
				stmt.BindInt64(4, time.Now().UnixMicro()))
		}, func(stmt *sqlite3.Stmt) error {
			begin = stmt.ColumnInt64(0)
			return nil
		})
		if err != nil {
			return err
		}
		return conn.exec("UPDATE carillon_shares SET position = ? WHERE subscription = ?", func(stmt *sqlite3.Stmt) error {
			return firstError(stmt.BindInt64(1, begin), stmt.BindInt64(2, subscription))
		})
	})
	if err != nil {
		return err
	}
	return t.local.Rewind(ctx, subscription, begin)
}

// positions reads the checkpoints of a subscription.
func (t *topicTables) positions(ctx context.Context, subscription int64) (positions []int64, err error) {
	err = t.store.read(ctx, func(conn *connection) error {
		return conn.query("SELECT position FROM carillon_shares WHERE subscription = ? ORDER BY partition", func(stmt *sqlite3.Stmt) error {
			return stmt.BindInt64(1, subscription)
		}, func(stmt *sqlite3.Stmt) error {
			positions = append(positions, stmt.ColumnInt64(0))
			return nil
		})
	})
	return positions, err
}

// note writes checkpoints. They are not flushed: one that a power cut undoes has messages come again.
func (t *topicTables) note(ctx context.Context, subscription int64, checkpoints []topics.Checkpoint) error {
	return t.write(ctx, carillon.Refoldable, func(conn *connection) error {
		for _, checkpoint := range checkpoints {
			err := conn.exec("UPDATE carillon_shares SET position = ? WHERE subscription = ? AND partition = ?", func(stmt *sqlite3.Stmt) error {
				return firstError(stmt.BindInt64(1, checkpoint.Position), stmt.BindInt64(2, subscription), stmt.BindInt(3, checkpoint.Partition))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
