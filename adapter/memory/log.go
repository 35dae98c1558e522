package memory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

// pageBytes ends a page early, so that large events do not make large pages.
const pageBytes = 1 << 20

// Log is the event log of a [Store].
type Log struct {
	closed *atomic.Bool

	mu       sync.RWMutex
	events   []carillon.Recorded
	streams  map[string][]int
	commands map[string]carillon.CommandRecord
}

func newLog(closed *atomic.Bool) *Log {
	return &Log{closed: closed, streams: make(map[string][]int), commands: make(map[string]carillon.CommandRecord)}
}

// Append writes a batch under one lock, which is this log's transaction.
func (l *Log) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := usable(ctx, l.closed); err != nil {
		return nil, err
	}
	verdicts := make([]carillon.Verdict, len(batch))
	for i := range batch {
		verdicts[i] = l.append(&batch[i])
	}
	return verdicts, nil
}

func (l *Log) append(a *carillon.Append) carillon.Verdict {
	if a.Command != nil {
		if record, seen := l.commands[a.Command.ID]; seen {
			return repeated(record, a.Command)
		}
	}
	version := int64(len(l.streams[a.Stream]))
	if want, ok := a.Expect.Version(); ok && want != version {
		return carillon.Verdict{Err: &carillon.ConflictError{Guard: carillon.GuardVersion, Stream: a.Stream, Expected: want, Actual: version}}
	}
	if a.Condition != nil {
		if found := l.find(a.Condition.Query, a.Condition.After); found > 0 {
			return carillon.Verdict{Err: &carillon.ConflictError{Guard: carillon.GuardCondition, Position: found}}
		}
	}
	appended := carillon.Appended{First: carillon.Position(len(l.events) + 1)}
	for _, event := range a.Events {
		recorded := carillon.Recorded{Message: own(event), Position: carillon.Position(len(l.events) + 1)}
		if a.Stream != "" {
			version++
			recorded.Stream, recorded.Version = a.Stream, version
			l.streams[a.Stream] = append(l.streams[a.Stream], len(l.events))
		}
		l.events = append(l.events, recorded)
	}
	appended.Last = carillon.Position(len(l.events))
	if a.Stream != "" {
		appended.Version = version
	}
	if a.Command != nil {
		l.commands[a.Command.ID] = carillon.CommandRecord{Guard: *a.Command, Appended: appended}
	}
	return carillon.Verdict{Appended: appended}
}

// repeated answers an append whose command id is known.
func repeated(record carillon.CommandRecord, guard *carillon.CommandGuard) carillon.Verdict {
	if record.Guard.Digest != guard.Digest {
		return carillon.Verdict{Err: carillon.ErrCommandReused}
	}
	appended := record.Appended
	appended.Duplicate = true
	return carillon.Verdict{Appended: appended}
}

// find returns the position of the first event after a position that matches, 0 for none.
func (l *Log) find(query carillon.Query, after carillon.Position) carillon.Position {
	for i := int(after); i < len(l.events); i++ {
		if event := &l.events[i]; query.Matches(event.Type, event.Tags) {
			return event.Position
		}
	}
	return 0
}

// own copies a message as a store would return it: its own bytes, defaults filled in, and no decoded value.
func own(m carillon.Message) carillon.Message {
	m.Payload = slices.Clone(m.Payload)
	m.Tags = slices.Clone(m.Tags)
	m.Headers = maps.Clone(m.Headers)
	m.Value = nil
	return m
}

// Read returns a page of the log.
func (l *Log) Read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := usable(ctx, l.closed); err != nil {
		return carillon.Page{}, err
	}
	page := carillon.Page{Through: max(after, carillon.Position(len(l.events)))}
	size := 0
	for i := int(max(after, 0)); i < len(l.events); i++ {
		event := &l.events[i]
		if !query.Matches(event.Type, event.Tags) {
			continue
		}
		if len(page.Events) == limit || size > pageBytes {
			page.Through, page.More = page.Events[len(page.Events)-1].Position, true
			break
		}
		page.Events = append(page.Events, *event)
		size += len(event.Payload)
	}
	return page, nil
}

// ReadStream returns the next events of a stream.
func (l *Log) ReadStream(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := usable(ctx, l.closed); err != nil {
		return nil, err
	}
	indexes := l.streams[stream]
	if after >= int64(len(indexes)) {
		return nil, nil
	}
	indexes = indexes[max(after, 0):]
	events := make([]carillon.Recorded, 0, min(limit, len(indexes)))
	for _, i := range indexes[:min(limit, len(indexes))] {
		events = append(events, l.events[i])
	}
	return events, nil
}

// Head returns the position of the last event.
func (l *Log) Head(ctx context.Context) (carillon.Position, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return carillon.Position(len(l.events)), usable(ctx, l.closed)
}

// Command returns what an append with this command id did.
func (l *Log) Command(ctx context.Context, id string) (carillon.CommandRecord, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := usable(ctx, l.closed); err != nil {
		return carillon.CommandRecord{}, err
	}
	record, ok := l.commands[id]
	if !ok {
		return carillon.CommandRecord{}, carillon.ErrNotFound
	}
	return record, nil
}

// Streams lists streams in order of name.
func (l *Log) Streams(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := usable(ctx, l.closed); err != nil {
		return nil, err
	}
	var infos []carillon.StreamInfo
	for _, name := range slices.Sorted(maps.Keys(l.streams)) {
		if name > after && len(infos) < limit {
			infos = append(infos, carillon.StreamInfo{Name: name, Version: int64(len(l.streams[name]))})
		}
	}
	return infos, nil
}
