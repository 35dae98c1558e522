package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon/internal/topics"
)

// notFlushed has a transaction not wait for the disk: a checkpoint or a hand-over that a power cut undoes has messages come again, or
// events folded again.
const notFlushed = "SET LOCAL synchronous_commit = off"

const (
	joinShares = `WITH joined AS (
			INSERT INTO {{schema}}.consumers VALUES ($1, $2, clock_timestamp() + $3::interval)
			ON CONFLICT (subscription, name) DO UPDATE SET expires = excluded.expires RETURNING xmax = 0 AS new)
		UPDATE {{schema}}.subscriptions SET changed = changed + 1 FROM joined WHERE id = $1 AND joined.new`
	renewShares  = "UPDATE {{schema}}.shares SET expires = clock_timestamp() + $3::interval WHERE subscription = $1 AND consumer = $2"
	forgetShares = `DELETE FROM {{schema}}.consumers WHERE ctid = ANY (ARRAY (SELECT ctid FROM {{schema}}.consumers
		WHERE subscription = $1 AND expires < clock_timestamp() - interval '1 minute' FOR UPDATE SKIP LOCKED))`
	listConsumers = "SELECT name FROM {{schema}}.consumers WHERE subscription = $1 AND expires > clock_timestamp() ORDER BY name"
	listShares    = `SELECT partition, consumer, epoch, position, expires <= clock_timestamp() FROM {{schema}}.shares
		WHERE subscription = $1 ORDER BY partition`
	claimShares = `UPDATE {{schema}}.shares k SET consumer = $2, epoch = k.epoch + 1, expires = clock_timestamp() + $3::interval, held = 0, ahead = 0
		FROM (SELECT partition FROM {{schema}}.shares WHERE subscription = $1 AND partition = ANY ($4::integer[])
			AND (consumer = $2 OR expires <= clock_timestamp()) FOR UPDATE SKIP LOCKED) free
		WHERE k.subscription = $1 AND k.partition = free.partition
		RETURNING k.partition, k.consumer, k.epoch, k.position, false`
	saveShares = `UPDATE {{schema}}.shares k SET position = u.position, held = u.held, ahead = u.ahead
		FROM unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) u (partition, epoch, position, held, ahead)
		WHERE k.subscription = $1 AND k.consumer = $2 AND k.partition = u.partition AND k.epoch = u.epoch RETURNING k.partition`
	releaseShares = `UPDATE {{schema}}.shares k SET position = u.position, held = 0, ahead = 0, consumer = '', expires = '-infinity'
		FROM unnest($3::integer[], $4::bigint[], $5::bigint[]) u (partition, epoch, position)
		WHERE k.subscription = $1 AND k.consumer = $2 AND k.partition = u.partition AND k.epoch = u.epoch`
	leaveShares   = "DELETE FROM {{schema}}.consumers WHERE subscription = $1 AND name = $2"
	changedShares = "UPDATE {{schema}}.subscriptions SET changed = changed + 1 WHERE id = $1"
)

// Beat renews what a consumer has, by the database's clock, and looks around.
func (t *topicTables) Beat(ctx context.Context, member topics.Member) (topics.Standing, error) {
	if err := t.usable(ctx); err != nil {
		return topics.Standing{}, err
	}
	var standing topics.Standing
	batch := &pgx.Batch{} // one transaction
	batch.Queue(notFlushed)
	batch.Queue(t.texts.fill(joinShares), member.Subscription, member.Consumer, member.Lease)
	batch.Queue(t.texts.fill(renewShares), member.Subscription, member.Consumer, member.Lease)
	batch.Queue(t.texts.fill(forgetShares), member.Subscription)
	batch.Queue(t.texts.fill(listConsumers), member.Subscription).Query(func(rows pgx.Rows) (err error) {
		standing.Consumers, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	batch.Queue(t.texts.fill(listShares), member.Subscription).Query(func(rows pgx.Rows) (err error) {
		standing.Shares, err = pgx.CollectRows(rows, pgx.RowToStructByPos[topics.Share])
		return err
	})
	return standing, failed(ctx, t.pool.SendBatch(ctx, batch).Close())
}

// Claim takes partitions that are free. It does not wait for those that somebody else is at.
func (t *topicTables) Claim(ctx context.Context, member topics.Member, partitions []int) ([]topics.Share, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := t.pool.Query(ctx, t.texts.fill(claimShares), member.Subscription, member.Consumer, member.Lease, partitions)
	if err != nil {
		return nil, failed(ctx, err)
	}
	claimed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[topics.Share])
	return claimed, failed(ctx, err)
}

// Save notes checkpoints of partitions that are still the consumer's.
func (t *topicTables) Save(ctx context.Context, member topics.Member, checkpoints []topics.Checkpoint) (lost []int, err error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	var kept []int
	partitions, epochs, positions, held, ahead := columnsOf(checkpoints)
	batch := &pgx.Batch{}
	batch.Queue(notFlushed)
	batch.Queue(t.texts.fill(saveShares), member.Subscription, member.Consumer, partitions, epochs, positions, held, ahead).Query(func(rows pgx.Rows) (err error) {
		kept, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	if err := t.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, failed(ctx, err)
	}
	for _, checkpoint := range checkpoints {
		if !slices.Contains(kept, checkpoint.Partition) {
			lost = append(lost, checkpoint.Partition)
		}
	}
	return lost, nil
}

func columnsOf(checkpoints []topics.Checkpoint) (partitions []int, epochs, positions, held, ahead []int64) {
	for _, c := range checkpoints {
		partitions, epochs, positions = append(partitions, c.Partition), append(epochs, c.Epoch), append(positions, c.Position)
		held, ahead = append(held, c.Held), append(ahead, c.Ahead)
	}
	return partitions, epochs, positions, held, ahead
}

// Release gives partitions up, so that others need not wait until their leases run out.
func (t *topicTables) Release(ctx context.Context, member topics.Member, checkpoints []topics.Checkpoint) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	partitions, epochs, positions, _, _ := columnsOf(checkpoints)
	batch := &pgx.Batch{}
	batch.Queue(notFlushed)
	batch.Queue(t.texts.fill(releaseShares), member.Subscription, member.Consumer, partitions, epochs, positions)
	batch.Queue(t.texts.fill(changedShares), member.Subscription)
	return failed(ctx, t.pool.SendBatch(ctx, batch).Close())
}

// Leave removes a consumer.
func (t *topicTables) Leave(ctx context.Context, member topics.Member) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue(notFlushed)
	batch.Queue(t.texts.fill(leaveShares), member.Subscription, member.Consumer)
	batch.Queue(t.texts.fill(changedShares), member.Subscription)
	return failed(ctx, t.pool.SendBatch(ctx, batch).Close())
}
