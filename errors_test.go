package carillon_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/carillon-go/carillon"
)

// TestErrorsMayBeComparedAndInspected sees every error that is a type through one layer of wrapping.
func TestErrorsMayBeComparedAndInspected(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk on fire")
	tests := []struct {
		err  error
		is   error
		as   func(error) bool
		text string
	}{
		{
			&carillon.ConflictError{Guard: carillon.GuardVersion, Stream: "order-1", Expected: 2, Actual: 3}, carillon.ErrConflict,
			as[*carillon.ConflictError], `conflict: stream "order-1" is at version 3, expected 2`,
		},
		{
			&carillon.ConflictError{Guard: carillon.GuardCondition, Position: 7}, carillon.ErrConflict,
			as[*carillon.ConflictError], "conflict: an event at position 7 matches the append's condition",
		},
		{
			&carillon.OutcomeUnknownError{EventID: "e", Cause: cause}, carillon.ErrOutcomeUnknown,
			as[*carillon.OutcomeUnknownError], "outcome unknown: the append may have been committed (resolve it by event e): disk on fire",
		},
		{carillon.Rejectf("account %d is open", 1), carillon.ErrRejected, as[*carillon.RejectedError], "account 1 is open"},
		{carillon.Invalidf("name", "at most %d%%", 5), carillon.ErrInvalid, as[*carillon.InvalidError], "name: at most 5%"},
	}
	all := []error{
		carillon.ErrConflict, carillon.ErrOutcomeUnknown, carillon.ErrRejected, carillon.ErrInvalid, carillon.ErrTooLarge,
		carillon.ErrNotFound, carillon.ErrCommandReused, carillon.ErrUnknownType,
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			wrapped := fmt.Errorf("while testing: %w", test.err)
			for _, other := range all {
				if got, want := errors.Is(wrapped, other), errors.Is(other, test.is); got != want {
					t.Errorf("errors.Is(%v) = %v, want %v", other, got, want)
				}
			}
			if !test.as(wrapped) {
				t.Error("its type is not found")
			}
			if got := test.err.Error(); got != test.text {
				t.Errorf("text %q, want %q", got, test.text)
			}
		})
	}
	if !errors.Is(&carillon.OutcomeUnknownError{Cause: cause}, cause) {
		t.Error("the cause of an unknown outcome is not in its chain")
	}
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
