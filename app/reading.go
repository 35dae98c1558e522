package app

import (
	"context"
	"fmt"
	"strconv"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
)

// reading has queries that carry a position wait until the read models they are answered from have passed it.
func reading(projections *projection.Engine, endpoint carillon.Endpoint) carillon.Handler {
	if len(endpoint.Reads) == 0 {
		return endpoint.Handler
	}
	return func(ctx context.Context, message *carillon.Message) (any, error) {
		if text := message.Headers[carillon.HeaderPosition]; text != "" {
			position, err := strconv.ParseInt(text, 10, 64)
			if err != nil || position < 0 {
				return nil, carillon.Invalidf(fmt.Sprintf("query %q", message.Type), "%q is no position", text)
			}
			for _, model := range endpoint.Reads {
				if err := projections.Wait(ctx, model, carillon.Position(position)); err != nil {
					return nil, fmt.Errorf("query %q: %w", message.Type, err)
				}
			}
		}
		return endpoint.Handler(ctx, message)
	}
}
