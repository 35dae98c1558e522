package otel

import (
	"context"
	"errors"

	"github.com/carillon-go/carillon"
)

// failure is the kind of an error: one of few words.
func failure(err error) string {
	for _, known := range []struct {
		err  error
		word string
	}{
		{carillon.ErrRejected, "rejected"},
		{carillon.ErrCommandReused, "command_reused"},
		{carillon.ErrConflict, "conflict"},
		{carillon.ErrInvalid, "invalid"},
		{carillon.ErrTooLarge, "too_large"},
		{carillon.ErrUnknownType, "unknown_type"},
		{carillon.ErrNotFound, "not_found"},
		{carillon.ErrOutcomeUnknown, "outcome_unknown"},
		{carillon.ErrDiskFull, "disk_full"},
		{carillon.ErrTimeout, "timeout"},
		{carillon.ErrUnavailable, "unavailable"},
		{carillon.ErrClosed, "closed"},
		{carillon.ErrUnsupported, "unsupported"},
		{carillon.ErrTopicFull, "topic_full"},
		{carillon.ErrLeaseLost, "lease_lost"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
	} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return "_OTHER"
}

// isAnswer reports whether an error is an answer and no failure of the service: what the sender asked for cannot be.
func isAnswer(err error) bool {
	for _, answer := range []error{
		carillon.ErrRejected, carillon.ErrCommandReused, carillon.ErrConflict, carillon.ErrInvalid, carillon.ErrTooLarge, carillon.ErrNotFound,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}
