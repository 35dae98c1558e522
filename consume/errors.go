package consume

import (
	"errors"
	"fmt"
)

// The errors a caller may compare with errors.Is.
var (
	// ErrFull: the scheduler holds as much as it may.
	ErrFull = errors.New("read-ahead is full")
	// ErrBehind is the cause of a letter that was never tried: an earlier delivery of its key is parked.
	ErrBehind = errors.New("an earlier delivery of the key is parked")
)

// PermanentError is a failure that another attempt cannot mend.
type PermanentError struct {
	Err error
}

// Permanent marks an error as permanent; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{Err: err}
}

func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap gives the failure.
func (e *PermanentError) Unwrap() error { return e.Err }

func isPermanent(err error) bool {
	var permanent *PermanentError
	return errors.As(err, &permanent)
}

// PanicError is the failure of a handler that panicked.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any
	// Stack is the stack of the goroutine at the panic.
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.Value) }

// Unwrap gives the value, when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
