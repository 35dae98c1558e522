package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

// The verdicts of the append function.
const (
	verdictAppended = iota
	verdictDuplicate
	verdictReused
	verdictVersion
	verdictCondition
	verdictAll // of a batch
)

const callAppend = `SELECT * FROM {{schema}}.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
	$22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)`

// Append writes a batch in one round trip. What a connection that broke may still carry out is refused from the next append on that
// succeeds: the function is told which appends their caller has given up.
func (l *eventLog) Append(ctx context.Context, appends []carillon.Append) ([]carillon.Verdict, error) {
	s := l.store()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if err := s.learnTypes(ctx, s.newTypes(appends), true); err != nil {
		if s.closed.Load() {
			return nil, carillon.ErrClosed
		}
		return nil, ended(ctx, err)
	}
	number, givenUp := s.attempts.begin()
	verdicts, err := s.appendShort(ctx, appends, number, givenUp)
	if verdicts == nil && err == nil {
		b := &batch{appends: appends}
		err = s.call(ctx, callAppend, b.arguments(s.session, number, givenUp, s.names), func(rows pgx.Rows) (err error) {
			verdicts, err = readVerdicts(rows, appends)
			return err
		})
	}
	switch {
	case err == nil:
		s.attempts.settled(givenUp)
		s.window.learn(appends, verdicts)
		return verdicts, nil
	case undecided(err):
		s.attempts.giveUp(number)
		if len(appends) > 0 {
			return nil, fmt.Errorf("%w: %w", carillon.ErrOutcomeUnknown, err)
		}
	}
	return nil, ended(ctx, err)
}

// call runs a statement that appends, and reads what it returns.
func (s *Store) call(ctx context.Context, text string, arguments []any, read func(pgx.Rows) error) error {
	text = s.texts.fill(text)
	if s.source.beforeDone == nil {
		rows, err := s.pool.Query(ctx, text, arguments...)
		if err != nil {
			return err
		}
		return read(rows)
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, text, arguments...)
		if err != nil {
			return err
		}
		err = read(rows)
		s.source.beforeDone()
		return err
	})
}

func readVerdicts(rows pgx.Rows, appends []carillon.Append) ([]carillon.Verdict, error) {
	verdicts := make([]carillon.Verdict, 0, len(appends))
	var kind int
	var first, last, version int64
	_, err := pgx.ForEachRow(rows, []any{&kind, &first, &last, &version}, func() error {
		if len(verdicts) == len(appends) {
			return errors.New("more verdicts than appends")
		}
		if kind == verdictAll {
			verdicts = allAppended(verdicts, appends, carillon.Position(first))
			return nil
		}
		of := &appends[len(verdicts)]
		verdict := carillon.Verdict{}
		switch kind {
		case verdictAppended, verdictDuplicate:
			verdict.Appended = carillon.Appended{
				First: carillon.Position(first), Last: carillon.Position(last), Version: version, Duplicate: kind == verdictDuplicate,
			}
		case verdictReused:
			verdict.Err = carillon.ErrCommandReused
		case verdictVersion:
			expected, _ := of.Expect.Version()
			verdict.Err = &carillon.ConflictError{Guard: carillon.GuardVersion, Stream: of.Stream, Expected: expected, Actual: last}
		case verdictCondition:
			verdict.Err = &carillon.ConflictError{Guard: carillon.GuardCondition, Position: carillon.Position(first)}
		default:
			return fmt.Errorf("verdict %d is none: %w", kind, carillon.ErrCorrupt)
		}
		verdicts = append(verdicts, verdict)
		return nil
	})
	if err == nil && len(verdicts) != len(appends) {
		err = fmt.Errorf("%d verdicts for %d appends: %w", len(verdicts), len(appends), carillon.ErrCorrupt)
	}
	return verdicts, err
}

// storedID is a UUID as its 16 bytes, and any other id as a zero byte and its text.
func storedID(id string) []byte { return appendStoredID(nil, id) }

func appendStoredID(buffer []byte, id string) []byte {
	if raw, ok := envelope.UUID(id); ok && raw[0] != 0 {
		return append(buffer, raw[:]...)
	}
	return append(append(buffer, 0), id...)
}

// appendID appends the text of a stored id.
func appendID(text, stored []byte) []byte {
	if len(stored) == len(uuid.UUID{}) && stored[0] != 0 {
		encoded, _ := uuid.UUID(stored).MarshalText() // cannot fail
		return append(text, encoded...)
	}
	if len(stored) > 0 {
		stored = stored[1:]
	}
	return append(text, stored...)
}

// allAppended are the verdicts of appends that all were accepted, from a position on. They expected the versions they found.
func allAppended(verdicts []carillon.Verdict, appends []carillon.Append, first carillon.Position) []carillon.Verdict {
	for i := range appends {
		a := &appends[i]
		count := carillon.Position(len(a.Events))
		appended := carillon.Appended{First: first, Last: first + count - 1}
		if expected, ok := a.Expect.Version(); ok && a.Stream != "" {
			appended.Version = expected + int64(count)
		}
		verdicts = append(verdicts, carillon.Verdict{Appended: appended})
		first += count
	}
	return verdicts
}
