package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

// The short statements append to streams without calling the append function. They look at the log before they have the lock, so they do
// nothing if the log's row is another by then: what they saw is what there is. They do nothing either if any of the appends is to be
// refused. They return the first position.
const (
	// loneAppend appends one event.
	loneAppend = `WITH next AS (
			UPDATE {{schema}}.log SET head = head + 1
			WHERE (head, givenup) = (SELECT l.head, l.givenup FROM {{schema}}.log l)
				AND NOT EXISTS (SELECT FROM {{schema}}.givenup g WHERE g.session = $1 AND g.number = $2)
				AND coalesce((SELECT max(v.version) FROM {{schema}}.events v WHERE v.stream = $3), 0) = $4
			RETURNING head)
		INSERT INTO {{schema}}.events (position, version, time, type, stream, id, metadata, payload)
		SELECT head, $4 + 1, $5, $6, $3, $7, $8, $9 FROM next RETURNING position`
	// plainAppend appends many events to streams that have the versions $5 says, if the log's head is $13 or that is -1.
	plainAppend = `WITH next AS (
			UPDATE {{schema}}.log SET head = head + $3
			WHERE (head, givenup) = (SELECT l.head, l.givenup FROM {{schema}}.log l) AND ($13 < 0 OR head = $13)
				AND NOT EXISTS (SELECT FROM {{schema}}.givenup g WHERE g.session = $1 AND g.number = $2)
				AND NOT EXISTS (SELECT FROM unnest($4::text[], $5::bigint[]) u (name, expect)
					WHERE u.expect <> coalesce((SELECT v.version FROM {{schema}}.events v WHERE v.stream = u.name ORDER BY v.version DESC LIMIT 1), 0))
			RETURNING head - $3 AS before),
		written AS (
			INSERT INTO {{schema}}.events (position, version, time, type, stream, id, metadata, payload)
			SELECT next.before + n.place, n.version, n.time, n.type, n.stream, n.id, n.metadata, n.payload
			FROM next, unnest($6::bigint[], $7::bigint[], $8::integer[], $9::text[], $10::bytea[], $11::bytea[], $12::bytea[]) WITH ORDINALITY
				n (version, time, type, stream, id, metadata, payload, place))
		SELECT before + 1 FROM next`
)

// plain lays out appends that the short statements can carry out: all go to streams of which they expect versions that follow on each
// other, without tags, conditions and command ids.
type plain struct {
	streams  []string // each once
	expected []int64  // their versions before the first append
	next     map[string]int64
	events   int
}

// layPlain returns the layout of appends; ok is false when the append function has to decide.
func layPlain(appends []carillon.Append) (p plain, ok bool) {
	p = plain{streams: make([]string, 0, len(appends)), expected: make([]int64, 0, len(appends)), next: make(map[string]int64, len(appends))}
	for i := range appends {
		a := &appends[i]
		expected, exact := a.Expect.Version()
		if !exact || a.Stream == "" || a.Condition != nil || a.Command != nil || len(a.Events) == 0 {
			return p, false
		}
		for j := range a.Events {
			if len(a.Events[j].Tags) > 0 {
				return p, false
			}
		}
		version, again := p.next[a.Stream]
		switch {
		case !again:
			p.streams, p.expected = append(p.streams, a.Stream), append(p.expected, expected)
		case version != expected:
			return p, false
		}
		p.next[a.Stream] = expected + int64(len(a.Events))
		p.events += len(a.Events)
	}
	return p, len(appends) > 0
}

// arguments are those of [plainAppend].
func (p *plain) arguments(s *Store, number int64, head carillon.Position, appends []carillon.Append) []any {
	versions, times, types := make([]int64, 0, p.events), make([]int64, 0, p.events), make([]int32, 0, p.events)
	streams := make([]string, 0, p.events)
	ids, metadata, payloads := make([][]byte, 0, p.events), make([][]byte, 0, p.events), make([][]byte, 0, p.events)
	buffer := make([]byte, 0, p.events*storedRoom)
	for i := range appends {
		a := &appends[i]
		version, _ := a.Expect.Version()
		for j := range a.Events {
			event := &a.Events[j]
			version++
			versions, times, types = append(versions, version), append(times, event.Time.UnixMicro()), append(types, s.names.id(event.Type))
			start := len(buffer)
			buffer = appendStoredID(buffer, event.ID)
			id := len(buffer)
			buffer = envelope.Append(buffer, event)
			streams, ids = append(streams, a.Stream), append(ids, buffer[start:id:id])
			if len(buffer) > id {
				metadata = append(metadata, buffer[id:len(buffer):len(buffer)])
			} else {
				metadata = append(metadata, nil)
			}
			payloads = append(payloads, filled(event.Payload))
		}
	}
	return []any{s.session, number, int64(p.events), p.streams, p.expected, versions, times, types, streams, ids, metadata, payloads, int64(head)}
}

// storedRoom is about how much the id and the metadata of an event take.
const storedRoom = 96

// loneArguments are those of [loneAppend].
func (s *Store) loneArguments(number int64, a *carillon.Append) []any {
	event := &a.Events[0]
	expected, _ := a.Expect.Version()
	return []any{
		s.session, number, a.Stream, expected, event.Time.UnixMicro(), s.names.id(event.Type), storedID(event.ID),
		envelope.Append(nil, event), filled(event.Payload),
	}
}

// appendShort tries to append with a short statement. Without a verdict and an error nothing was done.
func (s *Store) appendShort(ctx context.Context, appends []carillon.Append, number int64, givenUp []int64) ([]carillon.Verdict, error) {
	if len(givenUp) > 0 {
		return nil, nil
	}
	p, ok := layPlain(appends)
	if !ok || !s.attempts.short() {
		return nil, nil
	}
	var arguments []any
	text := loneAppend
	if p.events == 1 {
		arguments = s.loneArguments(number, &appends[0])
	} else {
		head, ok := s.versions.check(&p)
		if !ok {
			return nil, nil
		}
		text, arguments = plainAppend, p.arguments(s, number, head, appends)
	}
	var first carillon.Position
	err := s.call(ctx, text, arguments, func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&first}, func() error { return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	if first == 0 {
		s.attempts.missed()
		return nil, nil
	}
	return allAppended(make([]carillon.Verdict, 0, len(appends)), appends, first), nil
}
