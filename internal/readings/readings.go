// Package readings has an observer read the figures of an engine.
package readings

import (
	"context"
	"log/slog"

	"github.com/carillon-go/carillon"
)

// Watch has an observer read figures until stop is called. Without an observer nobody does; one that refuses is logged.
func Watch(observer carillon.Observer, logger *slog.Logger, read func(context.Context) []carillon.Reading) (stop func()) {
	if observer == nil {
		return func() {}
	}
	stop, err := observer.Watch(read)
	if err != nil {
		logger.Error("figures not observed", slog.Any("error", err))
	}
	if stop == nil {
		return func() {}
	}
	return stop
}

// Parked reads what is parked of a consumer, projection or reactor; topic is a consumer's. There is nothing when it cannot be read.
func Parked(ctx context.Context, letters carillon.DeadLetters, name, topic string) []carillon.Reading {
	keys, err := letters.Keys(ctx, name)
	if err != nil {
		return nil
	}
	count := int64(0)
	for _, key := range keys {
		count += key.Letters
	}
	return []carillon.Reading{
		{Kind: carillon.ReadingParkedKeys, Name: name, Topic: topic, Value: int64(len(keys))},
		{Kind: carillon.ReadingDeadLetters, Name: name, Topic: topic, Value: count},
	}
}
