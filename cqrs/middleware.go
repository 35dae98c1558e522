package cqrs

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/carillon-go/carillon"
)

// Validator is a command or query that can tell whether it makes sense by itself. The method has a value receiver; a contract refuses
// one with a pointer receiver.
type Validator interface {
	Validate() error
}

// Validate refuses requests whose Validate method returns an error, with an error that wraps [carillon.ErrInvalid].
func Validate() carillon.Middleware {
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			if validator, ok := message.Value.(Validator); ok {
				if err := validator.Validate(); err != nil {
					return nil, fmt.Errorf("%s %q: %w: %w", message.Kind, message.Type, carillon.ErrInvalid, err)
				}
			}
			return next(ctx, message)
		}
	}
}

// PanicError is a handler's panic, caught by [Recover].
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.Value) }

// Recover turns a handler's panic into a [*PanicError].
func Recover() carillon.Middleware {
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (result any, err error) {
			defer func() {
				if value := recover(); value != nil {
					err = &PanicError{Value: value, Stack: debug.Stack()}
				}
			}()
			return next(ctx, message)
		}
	}
}

// Observe tells a function how long each request took, in wall-clock time, and how it ended.
func Observe(observe func(ctx context.Context, message *carillon.Message, took time.Duration, err error)) carillon.Middleware {
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			start := time.Now()
			result, err := next(ctx, message)
			observe(ctx, message, time.Since(start), err)
			return result, err
		}
	}
}

// Trace tells an observer of each request, and has its message carry the trace of its handling: what the handler appends and sends goes on
// from there. It stands outside [Recover], to see how a panic ends, and outside [Correlate].
func Trace(observer carillon.Observer) carillon.Middleware {
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (result any, err error) {
			kind := carillon.ActivityCommand
			if message.Kind == carillon.KindQuery {
				kind = carillon.ActivityQuery
			}
			ctx, observed := observer.Begin(ctx, carillon.Activity{Kind: kind, Name: message.Type, Message: message, Cause: message.Trace()})
			defer func() { observed.End(err) }()
			if trace := observed.Trace(); trace != (carillon.Trace{}) {
				traced := *message
				traced.SetTrace(trace)
				message = &traced
			}
			return next(ctx, message)
		}
	}
}

// LogTo logs each request at debug level, and its error, with its type, id, correlation id and duration; never its payload.
func LogTo(logger *slog.Logger) carillon.Middleware {
	return Observe(func(ctx context.Context, message *carillon.Message, took time.Duration, err error) {
		if !logger.Enabled(ctx, slog.LevelDebug) {
			return
		}
		attributes := []slog.Attr{
			slog.String("kind", message.Kind.String()), slog.String("type", message.Type), slog.String("id", message.ID),
			slog.String("correlation", message.CorrelationID), slog.Duration("took", took),
		}
		if err != nil {
			attributes = append(attributes, slog.String("error", err.Error()))
		}
		logger.LogAttrs(ctx, slog.LevelDebug, "request handled", attributes...)
	})
}

type messageKey struct{}

// Correlate makes the message being handled known to what its handler sends, see [CauseFrom].
func Correlate() carillon.Middleware {
	return func(next carillon.Handler) carillon.Handler {
		return func(ctx context.Context, message *carillon.Message) (any, error) {
			return next(context.WithValue(ctx, messageKey{}, message), message)
		}
	}
}

// CauseFrom is [CausedBy] the message being handled in a context; it does nothing outside a handler.
func CauseFrom(ctx context.Context) SendOption {
	cause, ok := ctx.Value(messageKey{}).(*carillon.Message)
	if !ok {
		return func(*carillon.Message) {}
	}
	return CausedBy(cause)
}
