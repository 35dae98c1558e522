package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-go/carillon"
)

// ErrUnreachable says that there is no connection to the database.
var ErrUnreachable = errors.New("database unreachable")

// The codes of errors that have a meaning here; see the PostgreSQL manual, appendix A.
const (
	codeGivenUp          = "CR001" // raised by the append function
	codeDiskFull         = "53100"
	codeLockNotAvailable = "55P03"
	codeIdleTransaction  = "25P03"
	codeNoNumber         = "22P02" // where a statement puts a text for the server to refuse
	codeDataCorrupted    = "XX001"
	codeIndexCorrupt     = "XX002"
)

// translate turns PostgreSQL's errors into those a caller may compare; it keeps the original in the chain.
func translate(err error) error {
	if connecting, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("%w: %w", ErrUnreachable, connecting)
	}
	failure, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch failure.Code {
	case codeDiskFull:
		return fmt.Errorf("%w: %w", carillon.ErrDiskFull, err)
	case codeDataCorrupted, codeIndexCorrupt:
		return fmt.Errorf("%w: %w", carillon.ErrCorrupt, err)
	default:
		return err
	}
}

// undecided reports that a statement which commits may have done so although it failed: it was sent, and the server did not say that
// it failed. What a server says as it ends a connection does not count, and neither does it that the driver finds a connection closed:
// it says so, and that a retry is safe, also of one that broke before the answer came.
func undecided(err error) bool {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failure.Severity == "FATAL" || failure.Severity == "PANIC"
	}
	return !pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed)
}

// lostConnection reports that a statement failed because the server cannot be reached, or ends.
func lostConnection(err error) bool {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failure.Severity == "FATAL" || failure.Severity == "PANIC"
	}
	var network net.Error
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.As(err, &network) || pgconn.SafeToRetry(err)
}

// connectionLost says of a transaction that failed with its connection that it may be tried again, and is not at fault, unless the server
// ended the connection because the transaction did nothing for too long.
func connectionLost(err error) error {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok && failure.Code == codeIdleTransaction {
		return err
	}
	return &lostError{err}
}

// lostError is why a transaction failed whose connection ended on the way. Nothing was written.
type lostError struct{ cause error }

func (e *lostError) Error() string { return "connection to the database lost: " + e.cause.Error() }

// Is makes it an [carillon.ErrUnavailable].
func (e *lostError) Is(target error) bool { return target == carillon.ErrUnavailable }

// Unwrap gives the cause.
func (e *lostError) Unwrap() error { return e.cause }

// ended prefers the context's error: a driver reports a cancelled call in its own words.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return translate(err)
}
