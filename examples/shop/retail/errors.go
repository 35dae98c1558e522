package retail

import (
	"errors"
	"fmt"
	"strings"
)

// The errors a caller may compare with errors.Is.
var (
	// ErrHeader: the first line does not name the columns. The error is a [*HeaderError].
	ErrHeader = errors.New("header does not name the columns")
	// ErrTruncated: the compressed file ends too early. The error is an [*InputError].
	ErrTruncated = errors.New("compressed file is truncated")
	// ErrDamaged: the compressed file cannot be decompressed, or something follows it. The error is an [*InputError].
	ErrDamaged = errors.New("compressed file is damaged")
)

// Reject is a part of the file that is in no invoice.
type Reject struct {
	// Line is the line of the file it begins on; the header is line 1. A newline within quotes begins a new line.
	Line int
	// Reason says which rule it breaks.
	Reason string
	// Invoice is the number of the invoice it would have belonged to, or empty where that could not be read.
	Invoice string
	// Raw is what the file holds there, without the line's end, whether it is text or not: its first 1,024 bytes.
	Raw string
}

// HeaderError says why the first line is no header.
type HeaderError struct {
	// Missing are the columns the header lacks.
	Missing []string
	// Repeated are the columns the header names more than once.
	Repeated []string
	// Reason is set instead when the line could not be read at all.
	Reason string
}

func (e *HeaderError) Error() string {
	var parts []string
	if e.Reason != "" {
		parts = append(parts, e.Reason)
	}
	if len(e.Missing) > 0 {
		parts = append(parts, "missing "+strings.Join(e.Missing, ", "))
	}
	if len(e.Repeated) > 0 {
		parts = append(parts, "more than one "+strings.Join(e.Repeated, ", "))
	}
	return "header of the retail file: " + strings.Join(parts, "; ")
}

// Is makes it an [ErrHeader].
func (e *HeaderError) Is(target error) bool { return target == ErrHeader }

// InputError says that the input broke off. Every invoice that was complete by then has been delivered.
type InputError struct {
	// Line is the first line of the file that could not be read as a whole.
	Line int
	// Incomplete are the invoices that were open, with the lines read so far, ordered by their last line. More of their lines
	// may follow in the intact file, so they are not delivered.
	Incomplete []Invoice
	// Err is the cause. It is or wraps [ErrTruncated] or [ErrDamaged] for a compressed file, and is the input's own error
	// otherwise.
	Err error
}

func (e *InputError) Error() string {
	if len(e.Incomplete) == 0 {
		return fmt.Sprintf("retail file broke off at line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("retail file broke off at line %d with %d invoices incomplete: %v", e.Line, len(e.Incomplete), e.Err)
}

// Unwrap gives the cause.
func (e *InputError) Unwrap() error { return e.Err }
