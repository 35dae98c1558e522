package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
)

// Codes of the server that the client has no name for.
const (
	codeStoreFailed    jetstream.ErrorCode = 10077 // the text says why: a limit, or the disk
	codeBatchDisabled  jetstream.ErrorCode = 10174
	codeBatchTooLarge  jetstream.ErrorCode = 10199
	codeBatchDuplicate jetstream.ErrorCode = 10201
	codeBatchesTooMany jetstream.ErrorCode = 10210
	codeFastDisabled   jetstream.ErrorCode = 10205
	codeFastTooMany    jetstream.ErrorCode = 10211
)

func unsafe(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{carillon.ErrUnsafe}, args...)...)
}

// translate puts the client's errors in the words of the port. A context's error stays as it is.
func translate(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", carillon.ErrTooLarge, err)
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrKeyNotFound):
		return fmt.Errorf("%w: %w", carillon.ErrNotFound, err)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrInvalidConnection):
		return err
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: %w", carillon.ErrUnsupported, err)
	case errors.As(err, &api):
		return translateAPI(api)
	default: // time-outs, lost connections, no leader, no responders
		return fmt.Errorf("%w: %w", carillon.ErrUnavailable, err)
	}
}

func translateAPI(err *jetstream.APIError) error {
	switch {
	case isFull(err):
		return fmt.Errorf("%w: %w", carillon.ErrTopicFull, err)
	case err.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return fmt.Errorf("%w: %w", carillon.ErrTooLarge, err)
	case err.Code == 503:
		return fmt.Errorf("%w: %w", carillon.ErrUnavailable, err)
	default:
		return err
	}
}

// isFull reports whether a stream refused a message because it holds as many as it may.
func isFull(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeStoreFailed && strings.Contains(api.Description, "maximum messages")
}

// isOneByOne reports whether a batch was refused for what does not refuse each of its messages.
func isOneByOne(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeBatchDisabled, codeBatchDuplicate, codeBatchTooLarge, codeBatchesTooMany, codeFastDisabled, codeFastTooMany:
		return true
	default:
		return isFull(err)
	}
}

// isTaken reports whether somebody else has written a key since it was read.
func isTaken(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
