package carillon

import (
	"context"
	"reflect"
)

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

// Endpoint is a handler under the name of the commands or queries it answers. There is exactly one per name.
type Endpoint struct {
	Kind Kind
	// Type is the stable name of the request, Version the version of its shape.
	Type    string
	Version int
	// Request and Response are the Go types of the request and of what the handler returns. Response is nil for commands, whose
	// handlers return an [Appended].
	Request, Response reflect.Type
	Handler           Handler
	// Reads names the read models the answer comes from.
	Reads []string
}

// Describe describes the endpoint.
func (e Endpoint) Describe() Description {
	return Description{Kind: e.Kind.String(), Name: e.Type}
}
