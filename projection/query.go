package projection

import (
	"context"
	"database/sql"
	"reflect"
	"strings"

	"github.com/carillon-go/carillon"
)

// Answer is a query answered from a read model. The application binds it to the store, and REST waits for the read model when
// the caller asks to read its own writes.
type Answer struct {
	endpoint carillon.Endpoint
	bind     func(carillon.Store, carillon.Codec) (carillon.Handler, error)
}

// Query registers the handler of a query over a keyed read model, under a stable name. also names further models the answer
// reads through [Beside].
func Query[S, Q, R any](name string, model *Model[S], answer func(context.Context, View[S], Q) (R, error), also ...Definition) *Answer {
	reads := []string{model.name}
	for _, other := range also {
		reads = append(reads, other.Name())
	}
	return newAnswer[Q, R](name, reads, func(store carillon.Store, codec carillon.Codec) (carillon.Handler, error) {
		view := NewView(model, store.ReadModels(), codec)
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			return answer(ctx, view, message.Value.(Q))
		}, nil
	})
}

// QuerySQL registers the handler of a query over the tables of a SQL projection. The connections are read-only.
func QuerySQL[Q, R any](name string, model *Tables, answer func(context.Context, *sql.DB, Q) (R, error)) *Answer {
	return newAnswer[Q, R](name, []string{model.name}, func(store carillon.Store, _ carillon.Codec) (carillon.Handler, error) {
		reader, ok := store.(carillon.SQLReader)
		if !ok {
			return nil, unsupportedSQL(model.name)
		}
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			return answer(ctx, reader.ReadSQL(), message.Value.(Q))
		}, nil
	})
}

func newAnswer[Q, R any](name string, reads []string, bind func(carillon.Store, carillon.Codec) (carillon.Handler, error)) *Answer {
	return &Answer{bind: bind, endpoint: carillon.Endpoint{
		Kind: carillon.KindQuery, Type: name, Version: 1,
		Request: reflect.TypeFor[Q](), Response: reflect.TypeFor[R](), Reads: reads,
	}}
}

// Bind returns the query's endpoint over a store.
func (a *Answer) Bind(store carillon.Store, codec carillon.Codec) (carillon.Endpoint, error) {
	handler, err := a.bind(store, codec)
	endpoint := a.endpoint
	endpoint.Handler = handler
	return endpoint, err
}

// Describe describes the query.
func (a *Answer) Describe() carillon.Description {
	return carillon.Description{Kind: "query", Name: a.endpoint.Type, Detail: map[string]string{"reads": strings.Join(a.endpoint.Reads, ", ")}}
}
