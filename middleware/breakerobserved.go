package middleware

import (
	"context"
	"log/slog"

	"github.com/carillon-go/carillon"
)

// WithObserver has an observer read the breaker's state, for as long as the process lives; none by default.
func WithObserver(observer carillon.Observer) BreakerOption {
	return func(b *Breaker) { b.observer = observer }
}

// observe has the observer read the state.
func (b *Breaker) observe() {
	if b.observer == nil {
		return
	}
	if _, err := b.observer.Watch(b.readings); err != nil {
		b.logger.Error("circuit breaker not observed", slog.String("breaker", b.name), slog.Any("error", err))
	}
}

// readings says for each state whether the breaker is in it.
func (b *Breaker) readings(context.Context) []carillon.Reading {
	now := b.Status().State
	var all []carillon.Reading
	for _, state := range []BreakerState{BreakerClosed, BreakerOpen, BreakerHalfOpen} {
		reading := carillon.Reading{Kind: carillon.ReadingBreaker, Name: b.name, State: state.String()}
		if state == now {
			reading.Value = 1
		}
		all = append(all, reading)
	}
	return all
}
