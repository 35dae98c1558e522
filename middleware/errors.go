package middleware

import (
	"context"
	"errors"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// The errors of calls that were not made, which a caller may compare with errors.Is. All of them are [carillon.ErrUnavailable].
var (
	// ErrOpen: the circuit breaker is open, or has opened on this call's failure.
	ErrOpen error = refusalError("circuit breaker open")
	// ErrFull: as many calls are under way as the bulkhead lets through.
	ErrFull error = refusalError("bulkhead full")
	// ErrLimited: as many calls were made in the period as the rate limit lets through.
	ErrLimited error = refusalError("rate limit exceeded")
)

// refusalError is why a call was not made.
type refusalError string

func (e refusalError) Error() string { return string(e) }

// Is makes every refusal a [carillon.ErrUnavailable].
func (e refusalError) Is(target error) bool { return target == carillon.ErrUnavailable }

// isRefusal reports whether a policy kept the call from being made.
func isRefusal(err error) bool {
	return errors.Is(err, ErrOpen) || errors.Is(err, ErrFull) || errors.Is(err, ErrLimited)
}

// isAnswer reports whether an outcome says what the one who was called thinks of the request, which another try would not change.
func isAnswer(err error) bool {
	if err == nil {
		return true
	}
	var permanent *consume.PermanentError
	if errors.As(err, &permanent) {
		return true
	}
	for _, answer := range []error{
		carillon.ErrRejected, carillon.ErrInvalid, carillon.ErrConflict, carillon.ErrCommandReused, carillon.ErrTooLarge,
		carillon.ErrNotFound, carillon.ErrUnknownType, carillon.ErrUnsupported,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// isFailure reports whether a call failed: it has no answer, and it was not its caller who gave up.
func isFailure(ctx context.Context, err error) bool {
	return !isAnswer(err) && ctx.Err() == nil
}
