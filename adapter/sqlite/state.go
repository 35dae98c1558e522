package sqlite

import (
	"github.com/ncruces/go-sqlite3"

	"github.com/carillon-go/carillon"
)

const (
	// recentEvents is how many of the newest events the writer keeps to decide conditions without a query.
	recentEvents = 512
	// maxStreams bounds the remembered stream versions; when there are more, they are looked up again.
	maxStreams = 1 << 16
)

// logState is what the only writer of a file may remember about it between transactions.
type logState struct {
	head     carillon.Position
	versions map[string]*int64
	// recent holds type and tags of the newest events, the event at position p at p % recentEvents.
	recent [recentEvents]recentEvent
	since  carillon.Position // positions after it are in recent
}

type recentEvent struct {
	typ  string
	tags []carillon.Tag
}

// load forgets everything and reads the head, as after opening or a rollback.
func (s *logState) load(conn *connection) error {
	s.versions = make(map[string]*int64)
	err := conn.query("SELECT coalesce(max(position), 0) FROM carillon_events", nil, func(stmt *sqlite3.Stmt) error {
		s.head = carillon.Position(stmt.ColumnInt64(0))
		return nil
	})
	s.since = s.head
	return err
}

// full reports that the next lookUp forgets what is remembered.
func (s *logState) full() bool { return len(s.versions) >= maxStreams }

// lookUp reads the last version of a stream, and remembers it: whoever appends to the stream raises it.
func (s *logState) lookUp(conn *connection, stream string) (*int64, error) {
	version := new(int64)
	err := conn.query("SELECT max(version) FROM carillon_events WHERE stream = ?", func(stmt *sqlite3.Stmt) error {
		return stmt.BindText(1, stream)
	}, func(stmt *sqlite3.Stmt) error {
		*version = stmt.ColumnInt64(0) // NULL reads as 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.full() {
		clear(s.versions)
	}
	s.versions[stream] = version
	return version, nil
}

// add takes note of an event at the next position.
func (s *logState) add(event *carillon.Message) {
	s.head++
	s.recent[s.head%recentEvents] = recentEvent{typ: event.Type, tags: event.Tags}
	s.since = max(s.since, s.head-recentEvents)
}

// find looks among the newest events for the first one after a position that matches; known is false when the state does not
// reach back that far.
func (s *logState) find(query carillon.Query, after carillon.Position) (found carillon.Position, known bool) {
	if after < s.since {
		return 0, false
	}
	for position := after + 1; position <= s.head; position++ {
		event := &s.recent[position%recentEvents]
		if query.Matches(event.typ, event.tags) {
			return position, true
		}
	}
	return 0, true
}
