package middleware

import (
	"context"

	"github.com/carillon-go/carillon"
)

// Fallback answers in place of a call that failed or was refused, such as with what was known before. The answer is of the type the
// call's own would have. An error it returns is the outcome.
func Fallback(answer func(ctx context.Context, message *carillon.Message, cause error) (any, error)) carillon.Middleware {
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			result, err := next(ctx, message)
			if !isFailure(ctx, err) {
				return result, err
			}
			discard(result)
			return answer(ctx, message, err)
		}
	}
}
