package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// topicTables are the tables of a store's topics.
type topicTables struct {
	*Store

	mu     sync.Mutex
	pruned map[int64]int64 // by topic: what stands up to this position is deleted
}

// failed is what a broker's method returns for an error: whether trying again may help stands first.
func failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case errors.Is(err, carillon.ErrClosed), errors.Is(err, carillon.ErrNotFound), errors.Is(err, carillon.ErrConflict):
		return err
	case lostConnection(err):
		return fmt.Errorf("%w: %w", carillon.ErrUnavailable, translate(err))
	default:
		return translate(err)
	}
}

// Declare adds a topic and its subscriptions, which begin behind its last message. Of a topic that is there the retention may become
// longer, and the limit another.
func (t *topicTables) Declare(ctx context.Context, wanted carillon.Topic) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	const add = `INSERT INTO {{schema}}.topics AS k (name, partitions, retention, maximum) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET retention = greatest(k.retention, excluded.retention),
			maximum = CASE WHEN excluded.maximum > 0 THEN excluded.maximum ELSE k.maximum END
		RETURNING id, partitions`
	const subscribe = `WITH added AS (
			INSERT INTO {{schema}}.subscriptions (topic, name) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING id)
		INSERT INTO {{schema}}.shares (subscription, partition, position)
		SELECT a.id, p.partition, k.last FROM added a, {{schema}}.topics k, generate_series(0, k.partitions - 1) p (partition) WHERE k.id = $1`
	err := pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error {
		var id int64
		var partitions int
		err := tx.QueryRow(ctx, t.texts.fill(add), wanted.Name, wanted.Partitions, wanted.Retention, wanted.Limit).Scan(&id, &partitions)
		if err != nil {
			return err
		}
		if partitions != wanted.Partitions {
			return fmt.Errorf("it has %d partitions, not %d: %w", partitions, wanted.Partitions, carillon.ErrConflict)
		}
		_, err = tx.Exec(ctx, t.texts.fill(subscribe), id, filled(wanted.Subscriptions))
		return err
	})
	return failed(ctx, err)
}

// rower is what runs a query of one row.
type rower interface {
	QueryRow(ctx context.Context, text string, arguments ...any) pgx.Row
}

func (s *Store) findTopic(ctx context.Context, in rower, name string) (topics.Topic, error) {
	topic := topics.Topic{Name: name}
	err := in.QueryRow(ctx, s.texts.fill("SELECT id, partitions, maximum > 0 FROM {{schema}}.topics WHERE name = $1"), name).
		Scan(&topic.ID, &topic.Partitions, &topic.Limited)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("topic %q: declare it first: %w", name, carillon.ErrNotFound)
	}
	return topic, err
}

// Topic returns a topic.
func (t *topicTables) Topic(ctx context.Context, name string) (topics.Topic, error) {
	if err := t.usable(ctx); err != nil {
		return topics.Topic{}, err
	}
	topic, err := t.findTopic(ctx, t.pool, name)
	return topic, failed(ctx, err)
}

// Subscription returns the number of a subscription.
func (t *topicTables) Subscription(ctx context.Context, topic topics.Topic, name string) (id int64, err error) {
	if err := t.usable(ctx); err != nil {
		return 0, err
	}
	err = t.pool.QueryRow(ctx, t.texts.fill("SELECT id FROM {{schema}}.subscriptions WHERE topic = $1 AND name = $2"), topic.ID, name).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = carillon.ErrNotFound
	}
	return id, failed(ctx, err)
}

// countedBacklog is how many messages a backlog is counted for; of a longer one it is told how far it reaches.
const countedBacklog = 100_000

// Backlog counts the messages behind the checkpoints of their partitions.
func (t *topicTables) Backlog(ctx context.Context, topic topics.Topic, subscription int64) (topics.Backlog, error) {
	if err := t.usable(ctx); err != nil {
		return topics.Backlog{}, err
	}
	const reach = `SELECT k.last, min(h.position),
			coalesce(sum(h.held) FILTER (WHERE h.expires > clock_timestamp()), 0)::bigint,
			coalesce(sum(h.ahead) FILTER (WHERE h.expires > clock_timestamp()), 0)::bigint
		FROM {{schema}}.topics k JOIN {{schema}}.shares h ON h.subscription = $2 WHERE k.id = $1 GROUP BY k.last`
	const count = `SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(m.published)), 0)::float8 FROM {{schema}}.messages m
		JOIN {{schema}}.shares h ON h.subscription = $4 AND h.partition = m.partition
		WHERE m.topic = $1 AND m.position > $2 AND m.position <= $3 AND m.position > h.position`
	var backlog topics.Backlog
	var last, settled int64
	var oldest float64
	err := t.pool.QueryRow(ctx, t.texts.fill(reach), topic.ID, subscription).Scan(&last, &settled, &backlog.Held, &backlog.Ahead)
	if err == nil {
		err = t.pool.QueryRow(ctx, t.texts.fill(count), topic.ID, settled, min(last, settled+countedBacklog), subscription).Scan(&backlog.Messages, &oldest)
	}
	backlog.Messages += max(0, last-settled-countedBacklog)
	backlog.Oldest = max(0, time.Duration(oldest*float64(time.Second)))
	return backlog, failed(ctx, err)
}

// Rewind sets the checkpoints of a subscription back, and takes its shares away.
func (t *topicTables) Rewind(ctx context.Context, topic topics.Topic, subscription int64) error {
	const rewind = `UPDATE {{schema}}.shares SET consumer = '', epoch = epoch + 1, expires = '-infinity', held = 0, ahead = 0,
			position = coalesce((SELECT max(m.position) FROM {{schema}}.messages m, {{schema}}.topics k
				WHERE k.id = $1 AND m.topic = $1 AND m.published < now() - k.retention), 0)
		WHERE subscription = $2`
	if err := t.usable(ctx); err != nil {
		return err
	}
	_, err := t.pool.Exec(ctx, t.texts.fill(rewind), topic.ID, subscription)
	return failed(ctx, err)
}
