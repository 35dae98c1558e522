package carillon

import "context"

// Handler handles one message. The outcome is what it returns: there is nothing to acknowledge. Commands return an [Appended],
// queries their answer, everything else nil.
type Handler func(ctx context.Context, message *Message) (any, error)

// Middleware wraps a handler.
type Middleware func(Handler) Handler

// Chain wraps a handler in middleware, the first outermost.
func Chain(handler Handler, middleware ...Middleware) Handler {
	for i := len(middleware) - 1; i >= 0; i-- {
		handler = middleware[i](handler)
	}
	return handler
}
