package topics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

// errLate is why a call to the tables ended that its caller would have waited longer for.
var errLate = fmt.Errorf("no answer in time: %w: %w", carillon.ErrUnavailable, carillon.ErrTimeout)

// within bounds calls to the tables.
func within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, most, errLate)
}

// late says of an error whether it is the limit of the context that was reached: the tables report a context that ended in their own words.
func late(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || !errors.Is(context.Cause(ctx), errLate) {
		return err
	}
	return fmt.Errorf("%w: %v", errLate, err) //nolint:errorlint // it is no end of the caller's context
}
