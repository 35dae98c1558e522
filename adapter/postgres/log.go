package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
)

// eventLog is the log of a store.
type eventLog Store

func (l *eventLog) store() *Store { return (*Store)(l) }

const selectHead = "SELECT head FROM {{schema}}.log"

// Head returns the position of the last event.
func (l *eventLog) Head(ctx context.Context) (head carillon.Position, err error) {
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	err = s.pool.QueryRow(ctx, s.texts.fill(selectHead)).Scan(&head)
	return head, ended(ctx, err)
}

// Command returns what an append with this command id did.
func (l *eventLog) Command(ctx context.Context, id string) (carillon.CommandRecord, error) {
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return carillon.CommandRecord{}, err
	}
	record := carillon.CommandRecord{Guard: carillon.CommandGuard{ID: id}}
	done := &record.Appended
	var digest []byte
	err := s.pool.QueryRow(ctx, s.texts.fill("SELECT digest, first, last, version FROM {{schema}}.commands WHERE id = $1"), id).
		Scan(&digest, &done.First, &done.Last, &done.Version)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return carillon.CommandRecord{}, carillon.ErrNotFound
	case err != nil:
		return carillon.CommandRecord{}, ended(ctx, err)
	case copy(record.Guard.Digest[:], digest) != len(record.Guard.Digest):
		return carillon.CommandRecord{}, fmt.Errorf("command %q has a short digest: %w", id, carillon.ErrCorrupt)
	}
	return record, nil
}

// Streams lists streams in order of name.
func (l *eventLog) Streams(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
	const text = `SELECT stream, max(version) FROM {{schema}}.events WHERE stream > $1 GROUP BY stream ORDER BY stream LIMIT $2`
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.texts.fill(text), after, limit)
	if err != nil {
		return nil, ended(ctx, err)
	}
	infos, err := pgx.CollectRows(rows, pgx.RowToStructByPos[carillon.StreamInfo])
	return infos, ended(ctx, err)
}
