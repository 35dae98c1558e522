package carillon

import (
	"errors"
	"fmt"
)

// The errors a caller may compare with errors.Is.
var (
	// ErrConflict: a guard did not hold; nothing was appended. The error is a [*ConflictError].
	ErrConflict = errors.New("conflict")
	// ErrCommandReused: the command id was used before with other content; nothing was appended.
	ErrCommandReused = errors.New("command id used before with other content")
	// ErrOutcomeUnknown: the store or the caller's patience ended between the commit and its answer. The error is an
	// [*OutcomeUnknownError]; resolve it instead of guessing.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrRejected: a decision said no. The error is a [*RejectedError].
	ErrRejected = errors.New("rejected")
	// ErrInvalid: a name, a message or an append breaks a rule. The error is an [*InvalidError].
	ErrInvalid = errors.New("invalid")
	// ErrTooLarge: a payload or an append is over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrNotFound: what was asked for by name is not there.
	ErrNotFound = errors.New("not found")
	// ErrUnknownType: nothing is registered under a message's type.
	ErrUnknownType = errors.New("unknown message type")
	// ErrUnsupported: the store lacks a capability that was asked for.
	ErrUnsupported = errors.New("not supported")
	// ErrTimeout: a bounded wait ended before what it waited for.
	ErrTimeout = errors.New("timed out")
	// ErrClosed: the store or the application has been closed.
	ErrClosed = errors.New("closed")
	// ErrInUse: another process has the store open for writing.
	ErrInUse = errors.New("store in use by another process")
	// ErrLeaseHeld: somebody else holds the lease, and its time has not run out.
	ErrLeaseHeld = errors.New("lease held by another")
	// ErrLeaseLost: somebody else has claimed the lease since; nothing was written.
	ErrLeaseLost = errors.New("lease lost")
	// ErrNetworkFilesystem: the store's file lies on a network filesystem, whose locks and flushes cannot be trusted.
	ErrNetworkFilesystem = errors.New("file on a network filesystem")
	// ErrEngineTooOld: the database engine has known corruption bugs.
	ErrEngineTooOld = errors.New("database engine too old")
	// ErrSchemaNewer: the store was written by a newer version of Carillon.
	ErrSchemaNewer = errors.New("store has a newer schema")
	// ErrDiskFull: there was no room; nothing was written, and the next call tries again.
	ErrDiskFull = errors.New("disk full")
	// ErrUnavailable: the broker cannot be reached now; trying again may help.
	ErrUnavailable = errors.New("broker unavailable")
	// ErrUnroutable: no subscription would get the message, and the broker cannot keep it.
	ErrUnroutable = errors.New("message would reach nobody")
	// ErrBusy: as many calls are under way as may be; nothing was sent.
	ErrBusy = errors.New("too many calls under way")
	// ErrTopicFull: as many messages wait as the topic may hold; nothing was published.
	ErrTopicFull = errors.New("topic full")
	// ErrUnsafe: the broker is set up so that confirmed messages may be lost, and no option says that this is wanted.
	ErrUnsafe = errors.New("unsafe broker setting")
	// ErrCorrupt: the store holds bytes it should not.
	ErrCorrupt = errors.New("store corrupt")
)

// ConflictError says which guard of an append did not hold.
type ConflictError struct {
	// Guard is "stream version" or "condition".
	Guard string
	// Stream, Expected and Actual are set when the stream's version was another.
	Stream           string
	Expected, Actual int64
	// Position is that of an event that matches the condition's query, when the condition did not hold.
	Position Position
}

func (e *ConflictError) Error() string {
	if e.Guard == GuardCondition {
		return fmt.Sprintf("conflict: an event at position %d matches the append's condition", e.Position)
	}
	return fmt.Sprintf("conflict: stream %q is at version %d, expected %d", e.Stream, e.Actual, e.Expected)
}

// Is makes every conflict an [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// The guards a [ConflictError] names.
const (
	GuardVersion   = "stream version"
	GuardCondition = "condition"
)

// OutcomeUnknownError says that an append may or may not have taken place. eventlog's Resolve finds out.
type OutcomeUnknownError struct {
	// After is a position every event of the append would stand behind.
	After Position
	// EventID is the id of the append's first event, Events how many it has.
	EventID string
	Events  int
	// CommandID is set in place of the others when another service may have carried out a command: sent again under this id, it is
	// answered with the original outcome.
	CommandID string
	// Cause is why nobody knows.
	Cause error
}

func (e *OutcomeUnknownError) Error() string {
	if e.CommandID != "" {
		return fmt.Sprintf("outcome unknown: the command may have been carried out (send it again under its id %s): %v", e.CommandID, e.Cause)
	}
	return fmt.Sprintf("outcome unknown: the append may have been committed (resolve it by event %s): %v", e.EventID, e.Cause)
}

// Is makes it an [ErrOutcomeUnknown].
func (e *OutcomeUnknownError) Is(target error) bool { return target == ErrOutcomeUnknown }

// Unwrap gives the cause.
func (e *OutcomeUnknownError) Unwrap() error { return e.Cause }

// RejectedError is a decision's no, in words meant for whoever sent the command.
type RejectedError struct {
	Reason string
}

func (e *RejectedError) Error() string { return e.Reason }

// Is makes it an [ErrRejected].
func (e *RejectedError) Is(target error) bool { return target == ErrRejected }

// Rejectf rejects a command, with the reason.
func Rejectf(format string, args ...any) error {
	return &RejectedError{Reason: fmt.Sprintf(format, args...)}
}

// InvalidError says what breaks which rule.
type InvalidError struct {
	// What names the offender, such as `stream "a b"`.
	What string
	// Rule says what holds for it.
	Rule string
}

func (e *InvalidError) Error() string { return e.What + ": " + e.Rule }

// Is makes it an [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Invalidf refuses what breaks a rule.
func Invalidf(what, rule string, args ...any) error {
	return &InvalidError{What: what, Rule: fmt.Sprintf(rule, args...)}
}

// PublishError says which messages of a call of Publish were not confirmed.
type PublishError struct {
	// Unconfirmed holds their indexes, in ascending order.
	Unconfirmed []int
	// Cause is why the first of them was not.
	Cause error
}

// Unconfirmed says of so many messages that those from one on were not confirmed, as a [*PublishError].
func Unconfirmed(from, count int, cause error) error {
	e := &PublishError{Unconfirmed: make([]int, max(count-from, 0)), Cause: cause}
	for i := range e.Unconfirmed {
		e.Unconfirmed[i] = from + i
	}
	return e
}

func (e *PublishError) Error() string {
	return fmt.Sprintf("%d messages not confirmed: %v", len(e.Unconfirmed), e.Cause)
}

// Unwrap gives the cause.
func (e *PublishError) Unwrap() error { return e.Cause }
