package cqrs

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/ids"
)

// Bus dispatches commands and queries to their handlers, some of which may call another service.
type Bus struct {
	contract *Contract
	handlers map[reflect.Type]carillon.Handler
}

// NewBus makes a bus over a contract. The middleware wraps every handler, the first outermost.
func NewBus(contract *Contract, middleware ...carillon.Middleware) *Bus {
	b := &Bus{contract: contract, handlers: make(map[reflect.Type]carillon.Handler)}
	for _, endpoint := range contract.endpoints {
		b.handlers[endpoint.Request] = carillon.Chain(endpoint.Handler, middleware...)
	}
	return b
}

// Contract returns what the bus accepts.
func (b *Bus) Contract() *Contract { return b.contract }

// SendOption says more about one message.
type SendOption func(*carillon.Message)

// WithID gives a command its id: sent again with the same content it returns the original result, with other content it is
// refused with [carillon.ErrCommandReused].
func WithID(id string) SendOption {
	return func(m *carillon.Message) {
		m.ID = id
		header(m, carillon.HeaderOnce, "true")
	}
}

// IfVersion refuses a command with a conflict unless its stream has this version.
func IfVersion(version int64) SendOption {
	return func(m *carillon.Message) {
		header(m, carillon.HeaderExpectedVersion, strconv.FormatInt(version, 10))
	}
}

// After has a query wait until the read models it is answered from have passed a position of the log of the service that answers, such
// as that of the caller's last command.
func After(position carillon.Position) SendOption {
	return func(m *carillon.Message) {
		header(m, carillon.HeaderPosition, strconv.FormatInt(int64(position), 10))
	}
}

// CausedBy carries on another message's conversation: its correlation id, tenant and trace, and its id as the cause.
func CausedBy(cause *carillon.Message) SendOption {
	return func(m *carillon.Message) {
		m.CorrelationID, m.CausationID, m.Tenant = cause.CorrelationID, cause.ID, cause.Tenant
		m.TraceParent, m.TraceState = cause.TraceParent, cause.TraceState
	}
}

// WithTrace carries W3C trace context. What breaks its rules is left out, see [carillon.ParseTrace].
func WithTrace(parent, state string) SendOption {
	return func(m *carillon.Message) { m.SetTrace(carillon.ParseTrace(parent, state)) }
}

func header(m *carillon.Message, name, value string) {
	headers := maps.Clone(m.Headers)
	if headers == nil {
		headers = make(map[string]string, 1)
	}
	headers[name] = value
	m.Headers = headers
}

// Send hands a command to its handler and returns where its events stand; the zero value when it had none. The command is a
// value of a registered type, not a pointer to one.
//
// The error is a [*carillon.RejectedError] when the decision said no, [carillon.ErrUnknownType] when nothing handles it, or
// what the log's Append returns.
func (b *Bus) Send(ctx context.Context, command any, options ...SendOption) (carillon.Appended, error) {
	result, err := b.dispatch(ctx, carillon.KindCommand, command, options)
	appended, _ := result.(carillon.Appended)
	return appended, err
}

// Ask hands a query to its handler and returns the answer, an R.
func Ask[R any](ctx context.Context, bus *Bus, query any, options ...SendOption) (R, error) {
	var none R
	result, err := bus.dispatch(ctx, carillon.KindQuery, query, options)
	if err != nil {
		return none, err
	}
	answer, ok := result.(R)
	if !ok {
		return none, carillon.Invalidf(fmt.Sprintf("query %T", query), "it is answered by a %T, not a %T", result, none)
	}
	return answer, nil
}

// Dispatch hands a command or query to its handler and returns what the handler returned.
func (b *Bus) Dispatch(ctx context.Context, request any, options ...SendOption) (any, error) {
	endpoint, err := b.contract.Of(reflect.TypeOf(request))
	if err != nil {
		return nil, err
	}
	return b.dispatch(ctx, endpoint.Kind, request, options)
}

func (b *Bus) dispatch(ctx context.Context, kind carillon.Kind, request any, options []SendOption) (any, error) {
	endpoint, err := b.contract.Of(reflect.TypeOf(request))
	if err != nil {
		return nil, err
	}
	if endpoint.Kind != kind {
		return nil, carillon.Invalidf(fmt.Sprintf("%T", request), "it is a %s, not a %s", endpoint.Kind, kind)
	}
	message := &carillon.Message{
		Kind: kind, Type: endpoint.Type, SchemaVersion: endpoint.Version, Time: time.Now().UTC().Truncate(time.Microsecond), Value: request,
	}
	for _, option := range options {
		option(message)
	}
	if message.ID == "" && message.Headers[carillon.HeaderOnce] == "" {
		message.ID = ids.New()
	} else if err := carillon.CheckID(message.ID); err != nil {
		return nil, err
	}
	if message.CorrelationID == "" {
		message.CorrelationID = message.ID
	}
	return b.handlers[endpoint.Request](ctx, message)
}
