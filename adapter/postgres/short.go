package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/envelope"
)

// The short statements append without calling the append function. They look at the log before they have the lock, so they do
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
	// writeBatch writes many events to streams that have the versions $5 says, if the log's head is $13 or that is -1.
	writeBatch = `WITH next AS (
			UPDATE {{schema}}.log SET head = head + $3
			WHERE (head, givenup) = (SELECT l.head, l.givenup FROM {{schema}}.log l) AND ($13 < 0 OR head = $13)
				AND NOT EXISTS (SELECT FROM {{schema}}.givenup g WHERE g.session = $1 AND g.number = $2)
				AND NOT EXISTS (SELECT FROM unnest($4::text[], $5::bigint[]) u (name, expect)
					WHERE u.expect <> coalesce((SELECT v.version FROM {{schema}}.events v WHERE v.stream = u.name ORDER BY v.version DESC LIMIT 1), 0))
			RETURNING head - $3 AS before),
		written AS (
			INSERT INTO {{schema}}.events (position, version, time, type, stream, id, metadata, payload)
			SELECT next.before + n.place, nullif(n.version, 0), n.time, n.type, nullif(n.stream, ''), n.id, n.metadata, n.payload
			FROM next, unnest($6::bigint[], $7::bigint[], $8::integer[], $9::text[], $10::bytea[], $11::bytea[], $12::bytea[]) WITH ORDINALITY
				n (version, time, type, stream, id, metadata, payload, place))`
	// plainAppend appends events without tags, and taggedAppend those with.
	plainAppend  = writeBatch + " SELECT before + 1 FROM next"
	taggedAppend = writeBatch + `, tagged AS (
			INSERT INTO {{schema}}.tags (tag, position, type)
			SELECT t.tag, next.before + t.place, t.type FROM next, unnest($14::text[], $15::bigint[], $16::integer[]) t (tag, place, type))
		SELECT before + 1 FROM next`
)

// layout is how the short statements carry out appends that they can carry out: those to streams expect versions that follow on each other, no
// condition concerns what goes before it, and there are no command ids.
type layout struct {
	streams    []string // each once
	expected   []int64  // their versions before the first append
	next       map[string]int64
	conditions []*carillon.Condition
	events     int
	tags       int
}

// layOut returns the layout of appends; ok is false when the append function has to decide.
func layOut(appends []carillon.Append) (l layout, ok bool) {
	l = layout{streams: make([]string, 0, len(appends)), expected: make([]int64, 0, len(appends)), next: make(map[string]int64, len(appends))}
	for i := range appends {
		a := &appends[i]
		if a.Command != nil || len(a.Events) == 0 || a.Stream != "" && !l.follows(a) {
			return l, false
		}
		if a.Condition != nil {
			l.conditions = append(l.conditions, a.Condition)
		}
		l.events += len(a.Events)
		for j := range a.Events {
			l.tags += len(a.Events[j].Tags)
		}
	}
	return l, len(appends) > 0 && (len(l.conditions) == 0 || independent(appends))
}

// follows takes note of the version an append expects of its stream, and reports whether the appends before it lead there.
func (l *layout) follows(a *carillon.Append) bool {
	expected, exact := a.Expect.Version()
	version, again := l.next[a.Stream]
	if !exact || again && version != expected {
		return false
	}
	if !again {
		l.streams, l.expected = append(l.streams, a.Stream), append(l.expected, expected)
	}
	l.next[a.Stream] = expected + int64(len(a.Events))
	return true
}

// independent reports that surely no append breaks the condition of a later one.
func independent(appends []carillon.Append) bool {
	var before lasts
	for i := range appends {
		condition := appends[i].Condition
		if i > 0 && condition != nil && (len(condition.Query.Items) == 0 || !before.lacksAll(condition.Query.Items, 0)) {
			return false
		}
		for j := range appends[i].Events {
			before.note(&appends[i].Events[j], 1)
		}
	}
	return true
}

// lone reports whether an append is one for [loneAppend].
func lone(appends []carillon.Append, l *layout) bool {
	return l.events == 1 && l.tags == 0 && len(l.conditions) == 0 && appends[0].Stream != ""
}

// arguments are those of [plainAppend], and with tags those of [taggedAppend].
func (l *layout) arguments(s *Store, number int64, head carillon.Position, appends []carillon.Append) []any {
	versions, times, types := make([]int64, 0, l.events), make([]int64, 0, l.events), make([]int32, 0, l.events)
	streams := make([]string, 0, l.events)
	ids, metadata, payloads := make([][]byte, 0, l.events), make([][]byte, 0, l.events), make([][]byte, 0, l.events)
	tags, places, tagTypes := make([]string, 0, l.tags), make([]int64, 0, l.tags), make([]int32, 0, l.tags)
	buffer := make([]byte, 0, l.events*storedRoom)
	for i := range appends {
		a := &appends[i]
		version, _ := a.Expect.Version()
		for j := range a.Events {
			event := &a.Events[j]
			if a.Stream != "" {
				version++
			}
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
			for _, tag := range event.Tags {
				tags, places, tagTypes = append(tags, string(tag)), append(places, int64(len(ids))), append(tagTypes, types[len(types)-1])
			}
		}
	}
	arguments := []any{s.session, number, int64(l.events), l.streams, l.expected, versions, times, types, streams, ids, metadata, payloads, int64(head)}
	if l.tags > 0 {
		arguments = append(arguments, tags, places, tagTypes)
	}
	return arguments
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
	l, ok := layOut(appends)
	if !ok || !s.attempts.short() {
		return nil, nil
	}
	var arguments []any
	text := loneAppend
	if lone(appends, &l) {
		arguments = s.loneArguments(number, &appends[0])
	} else {
		head, ok := s.window.check(&l)
		if !ok {
			return nil, nil
		}
		if text = plainAppend; l.tags > 0 {
			text = taggedAppend
		}
		arguments = l.arguments(s, number, head, appends)
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
