package middleware

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
)

// Call makes a call under policies, the first outermost. The name stands for the call where middleware logs or observes it: it is the
// type of the message the middleware sees, which has no payload.
func Call[T any](ctx context.Context, name string, call func(context.Context) (T, error), policies ...carillon.Middleware) (T, error) {
	handler := carillon.Chain(func(ctx context.Context, _ *carillon.Message) (any, error) { return call(ctx) }, policies...)
	result, err := handler(ctx, &carillon.Message{Kind: carillon.KindCommand, Type: name})
	answer, ok := result.(T)
	if err == nil && !ok && result != nil {
		err = fmt.Errorf("%s: answered with a %T in place of a %T: %w", name, result, answer, carillon.ErrInvalid)
	}
	return answer, err
}
