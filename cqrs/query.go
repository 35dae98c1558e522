package cqrs

import (
	"context"
	"reflect"

	"github.com/carillon-go/carillon"
)

// Query registers the handler of a query under a stable name, version 1. A query that reads a read model is better registered
// with the projection package, which waits for the caller's own writes.
func Query[Q, R any](name string, answer func(context.Context, Q) (R, error)) carillon.Endpoint {
	return carillon.Endpoint{
		Kind: carillon.KindQuery, Type: name, Version: 1, Request: reflect.TypeFor[Q](), Response: reflect.TypeFor[R](),
		Handler: func(ctx context.Context, message *carillon.Message) (any, error) {
			return answer(ctx, message.Value.(Q))
		},
	}
}

// Command registers a handler for commands that no decider decides, such as one with side effects of its own.
func Command[C any](name string, handle func(context.Context, *carillon.Message, C) (carillon.Appended, error)) carillon.Endpoint {
	return carillon.Endpoint{
		Kind: carillon.KindCommand, Type: name, Version: 1, Request: reflect.TypeFor[C](),
		Handler: func(ctx context.Context, message *carillon.Message) (any, error) {
			return handle(ctx, message, message.Value.(C))
		},
	}
}
