package messaging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

// RemoteError is what another service answered in place of what it was asked for. It wraps the error that the service's own callers
// would have: [errors.Is] and [errors.As] find the same.
type RemoteError struct {
	// Service is the name it is served under.
	Service string
	// Problem names the error on the wire.
	Problem string
	// Detail is the error's text, as far as it is meant for the caller.
	Detail string
	// Cause is the error itself; nil when the service has failed in a way that is in its log alone.
	Cause error
}

func (e *RemoteError) Error() string { return e.Detail }

// Unwrap gives the cause.
func (e *RemoteError) Unwrap() error { return e.Cause }

// problemInternal is what stays inside the service.
const problemInternal = "internal"

// namedError is an error under the name it has on the wire.
type namedError struct {
	name string
	err  error
}

// problems lists the errors that travel, those first that others wrap.
func problems() []namedError {
	return []namedError{
		{"rejected", carillon.ErrRejected},
		{"outcome-unknown", carillon.ErrOutcomeUnknown},
		{"command-reused", carillon.ErrCommandReused},
		{"conflict", carillon.ErrConflict},
		{"too-large", carillon.ErrTooLarge},
		{"unknown-type", carillon.ErrUnknownType},
		{"invalid", carillon.ErrInvalid},
		{"not-found", carillon.ErrNotFound},
		{"unsupported", carillon.ErrUnsupported},
		{"busy", carillon.ErrBusy},
		{"unavailable", carillon.ErrUnavailable},
		{"unroutable", carillon.ErrUnroutable},
		{"topic-full", carillon.ErrTopicFull},
		{"timeout", carillon.ErrTimeout},
		{"closed", carillon.ErrClosed},
		{"disk-full", carillon.ErrDiskFull},
		{"in-use", carillon.ErrInUse},
		{"lease-held", carillon.ErrLeaseHeld},
		{"lease-lost", carillon.ErrLeaseLost},
		{"network-filesystem", carillon.ErrNetworkFilesystem},
		{"engine-too-old", carillon.ErrEngineTooOld},
		{"schema-newer", carillon.ErrSchemaNewer},
		{"unsafe", carillon.ErrUnsafe},
		{"corrupt", carillon.ErrCorrupt},
	}
}

// problem is an error as it travels.
type problem struct {
	Detail   string                  `json:"detail"`
	Reason   string                  `json:"reason,omitempty"`
	Conflict *carillon.ConflictError `json:"conflict,omitempty"`
	Invalid  *carillon.InvalidError  `json:"invalid,omitempty"`
	Unknown  *unknownOutcome         `json:"unknown,omitempty"`
}

// unknownOutcome is an [carillon.OutcomeUnknownError] without its cause.
type unknownOutcome struct {
	After     carillon.Position `json:"after,omitempty"`
	EventID   string            `json:"event_id,omitempty"`
	Events    int               `json:"events,omitempty"`
	CommandID string            `json:"command_id,omitempty"`
}

// problemOf names an error and writes it down. What is not meant for callers stays inside: the name is [problemInternal].
func problemOf(err error, id string) (name string, body []byte) {
	p := problem{Detail: err.Error()}
	name = problemInternal
	for _, named := range problems() {
		if errors.Is(err, named.err) {
			name = named.name
			break
		}
	}
	switch {
	case name != problemInternal:
	case errors.Is(err, context.DeadlineExceeded):
		name = "timeout"
	case errors.Is(err, context.Canceled):
		name = "unavailable"
	default:
		p.Detail = fmt.Sprintf("the service failed: its log has the cause under the id %s", id)
	}
	if rejected, ok := errors.AsType[*carillon.RejectedError](err); ok {
		p.Reason = rejected.Reason
	}
	if conflict, ok := errors.AsType[*carillon.ConflictError](err); ok {
		p.Conflict = conflict
	}
	if invalid, ok := errors.AsType[*carillon.InvalidError](err); ok {
		p.Invalid = invalid
	}
	if unknown, ok := errors.AsType[*carillon.OutcomeUnknownError](err); ok {
		p.Unknown = &unknownOutcome{After: unknown.After, EventID: unknown.EventID, Events: unknown.Events, CommandID: unknown.CommandID}
	}
	body, err = json.Marshal(p)
	if err != nil { // it is texts and numbers
		body = []byte(`{"detail":"the service failed"}`)
	}
	return name, body
}

// errorOf makes the error that a reply says; nil when it is an answer.
func errorOf(reply *carillon.Message) error {
	name := reply.Headers[headerProblem]
	if name == "" {
		return nil
	}
	remote := &RemoteError{Service: reply.Headers[headerResponder], Problem: name}
	var p problem
	if err := json.Unmarshal(reply.Payload, &p); err != nil {
		remote.Detail = fmt.Sprintf("the service answered with a problem that cannot be read: %v", err)
		return remote
	}
	remote.Detail = p.Detail
	for _, named := range problems() {
		if named.name == name {
			remote.Cause = named.err
		}
	}
	switch {
	case name == "rejected" && p.Reason != "":
		remote.Cause = &carillon.RejectedError{Reason: p.Reason}
	case name == "conflict" && p.Conflict != nil:
		remote.Cause = p.Conflict
	case name == "invalid" && p.Invalid != nil:
		remote.Cause = p.Invalid
	case name == "outcome-unknown" && p.Unknown != nil:
		u := p.Unknown
		remote.Cause = &carillon.OutcomeUnknownError{
			After: u.After, EventID: u.EventID, Events: u.Events, CommandID: u.CommandID, Cause: errors.New(p.Detail),
		}
	}
	return remote
}
