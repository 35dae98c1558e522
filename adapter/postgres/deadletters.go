package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-go/carillon"
)

// deadLetters are the parked events of a store.
type deadLetters Store

func (d *deadLetters) store() *Store { return (*Store)(d) }

// storable is a text as a column can hold it: PostgreSQL's texts have no zero bytes, and are valid.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "␀"), "�")
}

// optional is NULL for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Keys returns the parked keys of a consumer.
func (d *deadLetters) Keys(ctx context.Context, consumer string) ([]carillon.ParkedKey, error) {
	const text = `SELECT d.key, count(*), min(d.position),
		EXISTS (SELECT FROM {{schema}}.retries r WHERE r.consumer = $1 AND r.key = d.key)
		FROM {{schema}}.deadletters d WHERE d.consumer = $1 AND NOT d.shadow GROUP BY d.key ORDER BY d.key`
	s := d.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.texts.fill(text), consumer)
	if err != nil {
		return nil, ended(ctx, err)
	}
	var keys []carillon.ParkedKey
	var key []byte
	var parked carillon.ParkedKey
	_, err = pgx.ForEachRow(rows, []any{&key, &parked.Letters, &parked.First, &parked.Retry}, func() error {
		parked.Key = string(key)
		keys = append(keys, parked)
		return nil
	})
	return keys, ended(ctx, err)
}

// Letters returns the letters of a key after a position.
func (d *deadLetters) Letters(ctx context.Context, consumer, key string, after carillon.Position, limit int) ([]carillon.DeadLetter, error) {
	const text = `SELECT position, attempts, cause, stack, first, last FROM {{schema}}.deadletters
		WHERE consumer = $1 AND NOT shadow AND key = $2 AND position > $3 ORDER BY position LIMIT $4`
	s := d.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.texts.fill(text), consumer, []byte(key), int64(after), limit)
	if err != nil {
		return nil, ended(ctx, err)
	}
	var letters []carillon.DeadLetter
	var letter carillon.DeadLetter
	var first, last *time.Time
	_, err = pgx.ForEachRow(rows, []any{&letter.Position, &letter.Attempts, &letter.Cause, &letter.Stack, &first, &last}, func() error {
		letter.Consumer, letter.Key = consumer, key
		letter.First, letter.Last = instant(first), instant(last)
		letters = append(letters, letter)
		return nil
	})
	return letters, ended(ctx, err)
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// Retry asks for another try of a key.
func (d *deadLetters) Retry(ctx context.Context, consumer, key string) error {
	const text = `INSERT INTO {{schema}}.retries
		SELECT * FROM (SELECT consumer, key FROM {{schema}}.deadletters WHERE consumer = $1 AND NOT shadow AND key = $2
			ORDER BY position LIMIT 1 FOR UPDATE) l -- it stays until the retry is there
		ON CONFLICT (consumer, key) DO UPDATE SET key = excluded.key`
	s := d.store()
	if err := s.usable(ctx); err != nil {
		return err
	}
	tag, err := s.pool.Exec(ctx, s.texts.fill(text), consumer, []byte(key))
	if err == nil && tag.RowsAffected() == 0 {
		return fmt.Errorf("key %q of %q is not parked: %w", key, consumer, carillon.ErrNotFound)
	}
	return ended(ctx, err)
}

// Discard drops the first letter of a key.
func (d *deadLetters) Discard(ctx context.Context, consumer, key string, position carillon.Position) error {
	s := d.store()
	if err := s.usable(ctx); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var first carillon.Position
		err := tx.QueryRow(ctx, s.texts.fill(`SELECT position FROM {{schema}}.deadletters
			WHERE consumer = $1 AND NOT shadow AND key = $2 ORDER BY position LIMIT 1 FOR UPDATE`), consumer, []byte(key)).Scan(&first)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("key %q of %q is not parked: %w", key, consumer, carillon.ErrNotFound)
		case err != nil:
			return err
		case first != position:
			return fmt.Errorf("the first letter of key %q stands at position %d, not at %d: %w", key, first, position, carillon.ErrConflict)
		}
		return s.removeLetter(ctx, tx, carillon.ModelRef{Name: consumer}, key, position)
	})
	return ended(ctx, err)
}

// removeLetter removes a letter of a consumer or shadow, or returns [carillon.ErrNotFound]. With the last of a consumer's key goes what was
// asked for the key.
func (s *Store) removeLetter(ctx context.Context, tx pgx.Tx, ref carillon.ModelRef, key string, position carillon.Position) error {
	batch, there := &pgx.Batch{}, false
	batch.Queue(s.texts.fill("DELETE FROM {{schema}}.deadletters WHERE consumer = $1 AND shadow = $2 AND key = $3 AND position = $4"),
		ref.Name, ref.Shadow, []byte(key), int64(position)).
		Exec(func(tag pgconn.CommandTag) error {
			there = tag.RowsAffected() > 0
			return nil
		})
	batch.Queue(s.texts.fill(`DELETE FROM {{schema}}.retries WHERE consumer = $1 AND key = $2
		AND NOT EXISTS (SELECT FROM {{schema}}.deadletters WHERE consumer = $1 AND NOT shadow AND key = $2)`), ref.Name, []byte(key))
	err := tx.SendBatch(ctx, batch).Close()
	if err == nil && !there {
		err = gone(key, position)
	}
	return err
}

func gone(key string, position carillon.Position) error {
	return fmt.Errorf("letter of key %q at position %d: %w", key, position, carillon.ErrNotFound)
}

// dropLetters queues the removal of the letters of a consumer or shadow, and of what was asked for them.
func (s *Store) dropLetters(batch *pgx.Batch, ref carillon.ModelRef) {
	batch.Queue(s.texts.fill("DELETE FROM {{schema}}.deadletters WHERE consumer = $1 AND shadow = $2"), ref.Name, ref.Shadow)
	if !ref.Shadow {
		batch.Queue(s.texts.fill("DELETE FROM {{schema}}.retries WHERE consumer = $1"), ref.Name)
	}
}

// switchLetters queues what makes the letters of a shadow those of the consumer.
func (s *Store) switchLetters(batch *pgx.Batch, consumer string) {
	s.dropLetters(batch, carillon.ModelRef{Name: consumer})
	batch.Queue(s.texts.fill("UPDATE {{schema}}.deadletters SET shadow = false WHERE consumer = $1"), consumer)
}
