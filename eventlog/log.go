package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// Log is an event log over an adapter's port. Make one per port and process: it is the only one to append through that port.
type Log struct {
	port        carillon.Log
	maxPayload  int
	poll        time.Duration
	observer    carillon.Observer // nil for none
	coordinator coordinator
	head        head
	feed        feed
}

// Option changes a default of [New].
type Option func(*Log)

// MaxPayload limits an event's payload, in bytes. Default: [carillon.MaxPayload].
func MaxPayload(bytes int) Option { return func(l *Log) { l.maxPayload = bytes } }

// PollEvery sets how often a follower looks for events that other processes appended; appends through this log wake it at
// once. Default: one second.
func PollEvery(interval time.Duration) Option { return func(l *Log) { l.poll = interval } }

// WithObserver tells an observer of appends and commits. Default: none.
func WithObserver(observer carillon.Observer) Option {
	return func(l *Log) { l.observer = observer }
}

// New makes a log over a port. It does no I/O and starts nothing.
func New(port carillon.Log, options ...Option) *Log {
	l := &Log{port: port, maxPayload: carillon.MaxPayload, poll: time.Second}
	for _, option := range options {
		option(l)
	}
	l.coordinator.log = l
	l.feed.port = port
	return l
}

// Append adds events under the append's guards and returns where they stand. Events without an id or a time are given one.
//
// The error is a [*carillon.ConflictError] when a guard did not hold, [carillon.ErrCommandReused], an [*carillon.InvalidError]
// or [carillon.ErrTooLarge] when the append breaks a rule, and a [*carillon.OutcomeUnknownError] when the context or the store
// ended between the commit and its answer; see [Log.Resolve]. With any other error nothing was appended.
func (l *Log) Append(ctx context.Context, a carillon.Append) (carillon.Appended, error) {
	complete(&a)
	if err := a.Check(l.maxPayload); err != nil {
		return carillon.Appended{}, err
	}
	if l.observer != nil {
		return l.observed(ctx, a)
	}
	return l.coordinator.append(ctx, a)
}

// complete fills in what the caller left to the log.
func complete(a *carillon.Append) {
	var now time.Time
	for i := range a.Events {
		event := &a.Events[i]
		if event.ID == "" {
			event.ID = ids.New()
		}
		if event.Time.IsZero() {
			if now.IsZero() {
				now = time.Now()
			}
			event.Time = now
		}
		event.Time = event.Time.UTC().Truncate(time.Microsecond)
		if event.SchemaVersion == 0 {
			event.SchemaVersion = 1
		}
		if event.ContentType == "" {
			event.ContentType = carillon.ContentTypeJSON
		}
	}
	if a.Command != nil && a.Command.Digest == [16]byte{} {
		guard := *a.Command
		guard.Digest = digest(a.Stream, a.Events)
		a.Command = &guard
	}
}

// digest is a fingerprint of what an append says, leaving out what differs between attempts: ids and times.
func digest(stream string, events []carillon.Message) [16]byte {
	hash := sha256.New()
	field := func(text string) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		hash.Write(size[:])
		hash.Write([]byte(text))
	}
	field(stream)
	for i := range events {
		field(events[i].Type)
		for _, tag := range events[i].Tags {
			field(string(tag))
		}
		field("")
		field(string(events[i].Payload))
	}
	return [16]byte(hash.Sum(nil))
}

// Head returns the position of the last event, 0 for an empty log.
func (l *Log) Head(ctx context.Context) (carillon.Position, error) { return l.port.Head(ctx) }

// Read returns one page of the events after a position that match the query, at most limit of them.
func (l *Log) Read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	if err := query.Check(); err != nil {
		return carillon.Page{}, err
	}
	return l.port.Read(ctx, query, after, limit)
}

// ReadStream returns the next events of a stream after a version, at most limit of them; none when there are none.
func (l *Log) ReadStream(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	return l.port.ReadStream(ctx, stream, after, limit)
}

// Tails reads snapshots together with what happened since; nil when the log's store does not keep these snapshots, or cannot.
func (l *Log) Tails(snapshots carillon.Snapshots) carillon.SnapshotLog {
	tails, ok := l.port.(carillon.SnapshotLog)
	if !ok || !tails.Keeps(snapshots) {
		return nil
	}
	return tails
}

// Command returns what the append that carried a command id did, or [carillon.ErrNotFound].
func (l *Log) Command(ctx context.Context, id string) (carillon.CommandRecord, error) {
	return l.port.Command(ctx, id)
}

// Streams lists streams after a name, in order; [carillon.ErrUnsupported] when the store cannot.
func (l *Log) Streams(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
	lister, ok := l.port.(carillon.StreamLister)
	if !ok {
		return nil, carillon.ErrUnsupported
	}
	return lister.Streams(ctx, after, limit)
}
