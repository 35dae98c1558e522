package carillon

import "context"

// Append is one all-or-nothing addition to the log: events and the guards they depend on. All guards must hold.
type Append struct {
	// Stream is where the events go; empty when they are found by tags alone.
	Stream string
	// Expect is required with a stream and refused without one.
	Expect Expect
	// Condition is the DCB guard; nil for none.
	Condition *Condition
	// Command is the command id guard; nil for none.
	Command *CommandGuard
	// Events holds at least one event.
	Events []Message
}

// Appended is where an append's events stand.
type Appended struct {
	First, Last Position
	// Version is the stream's version after the append; 0 without a stream.
	Version int64
	// Duplicate says that the command had been appended before: the figures are the original ones, nothing was added.
	Duplicate bool
}

// Verdict is the outcome of one append of a batch: Appended when Err is nil, otherwise a [*ConflictError] or
// [ErrCommandReused].
type Verdict struct {
	Appended Appended
	Err      error
}

// Page is one read of the log.
type Page struct {
	Events []Recorded
	// Through is the position up to which the log has been searched: continue after it. It is the head of the log as the
	// read saw it when there was nothing left to find.
	Through Position
	// More reports that a limit ended the page, not the log.
	More bool
}

// PageSize is how many bytes of payloads a page takes before a log may end it ahead of its limit of events.
const PageSize = 1 << 20

// Log is the port of an event store. Application code holds an [github.com/carillon-go/carillon/eventlog.Log] instead, which
// validates, groups commits and follows.
//
// All methods are safe for concurrent use. Readers see committed events only, and a position is never visible before every
// lower one is.
type Log interface {
	// Append writes a batch in one transaction. Appends are evaluated in order, against the log and the appends before them in
	// the batch, and the guards of one append in this order: command id, stream version, condition. Each append gets its own
	// verdict, and a refused one leaves the others untouched. Positions are consecutive.
	// When it returns without error every accepted append is durable at the store's level. An error means that no append of
	// the batch took place, except [ErrOutcomeUnknown], which means that nobody knows.
	// When it returns without error, an earlier append whose outcome was unknown has one: it can be read, or never will be. An
	// empty batch is a way to ask for that.
	// Appends come validated; the digests of command guards are set. A cancelled context may abort the batch before its
	// commit, never half of it.
	Append(ctx context.Context, batch []Append) ([]Verdict, error)

	// Read returns the next events after a position that match the query, in order, at most limit of them; fewer when a page
	// grows large. The page is one consistent view and holds no resources.
	Read(ctx context.Context, query Query, after Position, limit int) (Page, error)

	// ReadStream returns the next events of a stream after a version, in order, at most limit of them. Fewer mean that there are
	// no more, unless their payloads together take more than [PageSize]; a stream nobody wrote to is empty.
	ReadStream(ctx context.Context, stream string, after int64, limit int) ([]Recorded, error)

	// Head returns the position of the last event, 0 for an empty log.
	Head(ctx context.Context) (Position, error)

	// Command returns what the append that carried this command id did, with the digest it carried, or [ErrNotFound].
	Command(ctx context.Context, id string) (CommandRecord, error)
}

// CommandRecord is what a log remembers of a command id.
type CommandRecord struct {
	Guard    CommandGuard
	Appended Appended
}

// StreamLister is a log that can name its streams, in order of name, for operators.
type StreamLister interface {
	Streams(ctx context.Context, after string, limit int) ([]StreamInfo, error)
}

// StreamInfo is a stream's name and its last version.
type StreamInfo struct {
	Name    string
	Version int64
}
