package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

// loneAppend appends one event to a stream without calling the append function. It looks at the log before it has the lock, so it does
// nothing if the log's row is another by then: what it saw is what there is. It does nothing either if the append is to be refused.
const loneAppend = `WITH next AS (
		UPDATE {{schema}}.log SET head = head + 1
		WHERE (head, givenup) = (SELECT l.head, l.givenup FROM {{schema}}.log l)
			AND NOT EXISTS (SELECT FROM {{schema}}.givenup g WHERE g.session = $1 AND g.number = $2)
			AND coalesce((SELECT max(v.version) FROM {{schema}}.events v WHERE v.stream = $3), 0) = $4
		RETURNING head)
	INSERT INTO {{schema}}.events (position, version, time, type, stream, id, metadata, payload)
	SELECT head, $4 + 1, $5, $6, $3, $7, $8, $9 FROM next RETURNING position`

// lone returns the event of a batch that [loneAppend] can carry out, and the version it expects.
func lone(appends []carillon.Append, givenUp []int64) (event *carillon.Message, expected int64, ok bool) {
	if len(appends) != 1 || len(givenUp) > 0 {
		return nil, 0, false
	}
	a := &appends[0]
	expected, exact := a.Expect.Version()
	if !exact || a.Stream == "" || a.Condition != nil || a.Command != nil || len(a.Events) != 1 || len(a.Events[0].Tags) > 0 {
		return nil, 0, false
	}
	return &a.Events[0], expected, true
}

// appendLone tries to append with [loneAppend]. Without a verdict and an error nothing was done.
func (s *Store) appendLone(ctx context.Context, appends []carillon.Append, number int64, givenUp []int64) ([]carillon.Verdict, error) {
	event, expected, ok := lone(appends, givenUp)
	if !ok || !s.attempts.short() {
		return nil, nil
	}
	payload := event.Payload
	if payload == nil {
		payload = []byte{}
	}
	arguments := []any{
		s.session, number, appends[0].Stream, expected, event.Time.UnixMicro(), s.names.id(event.Type), storedID(event.ID),
		envelope.Append(nil, event), payload,
	}
	var position carillon.Position
	err := s.call(ctx, loneAppend, arguments, func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&position}, func() error { return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	if position == 0 {
		s.attempts.missed()
		return nil, nil
	}
	return []carillon.Verdict{{Appended: carillon.Appended{First: position, Last: position, Version: expected + 1}}}, nil
}
