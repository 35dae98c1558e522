package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/carillon-go/carillon"
)

// Timeout ends the context of a call after a time, and then makes its outcome [carillon.ErrTimeout]. It waits for the call to return, so
// that nothing goes on behind its caller's back; a call that returns with an answer keeps it, however late. Of an HTTP request it bounds
// the time until the header of the response is there.
func Timeout(limit time.Duration) carillon.Middleware {
	executor := failsafe.With(timeout.New[any](limit))
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			var result any
			var err error
			_, ended := executor.WithContext(ctx).GetWithExecution(func(execution failsafe.Execution[any]) (any, error) {
				result, err = next(execution.Context(), message)
				holdOpen(result, execution)
				return nil, err
			})
			if !errors.Is(ended, timeout.ErrExceeded) {
				return result, err
			}
			_, unread := result.(*http.Response) // its body has gone with its context
			switch {
			case isAnswer(err) && !unread:
				return result, err
			case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, carillon.ErrTimeout):
				err = fmt.Errorf("no answer within %v: %w", limit, carillon.ErrTimeout)
			default:
				err = fmt.Errorf("no answer within %v: %w: %w", limit, carillon.ErrTimeout, err)
			}
			discard(result)
			return nil, err
		}
	}
}

// holdOpen keeps the context of a call until the body of the response it ended with has been closed.
func holdOpen(result any, execution failsafe.Execution[any]) {
	response, ok := result.(*http.Response)
	if !ok || response.Body == nil {
		return
	}
	if deferring, ok := execution.(interface{ DeferCancel() func() }); ok {
		response.Body = &closingBody{ReadCloser: response.Body, closed: deferring.DeferCancel()}
	}
}
