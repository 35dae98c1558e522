package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// usageError is a command line that makes no sense.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// isUsage reports whether the command line is to blame.
func isUsage(err error) bool {
	_, ok := errors.AsType[*usageError](err)
	return ok
}

// invalidUsage blames the command line for names and values that break a rule.
func invalidUsage(err error) error {
	if errors.Is(err, carillon.ErrInvalid) || errors.Is(err, carillon.ErrTooLarge) {
		return usagef("%s", err)
	}
	return err
}

// adviceError is an error with the way out.
type adviceError struct {
	err    error
	advice string
}

func (e *adviceError) Error() string { return e.err.Error() + ": " + e.advice }

func (e *adviceError) Unwrap() error { return e.err }

func advise(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &adviceError{err: err, advice: fmt.Sprintf(format, args...)}
}

// oneLine is an error as one line that a terminal can show.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	return printable(strings.Join(lines, "; "))
}
