package eventlog

import (
	"context"
	"errors"

	"github.com/carillon-go/carillon"
)

// Resolve finds out what became of an append whose outcome was unknown: where its events stand, or [carillon.ErrNotFound] when
// it did not take place and may be tried again. It waits for commits under way. With any other error the outcome is still unknown;
// call it again.
func (l *Log) Resolve(ctx context.Context, unknown error) (carillon.Appended, error) {
	question, ok := errors.AsType[*carillon.OutcomeUnknownError](unknown)
	if !ok {
		return carillon.Appended{}, carillon.Invalidf("resolve", "the error to resolve is an OutcomeUnknownError, not %v", unknown)
	}
	if err := l.coordinator.settle(ctx); err != nil {
		return carillon.Appended{}, err
	}
	if _, err := l.port.Append(ctx, nil); err != nil { // the store settles what it left open
		return carillon.Appended{}, err
	}
	for after := question.After; ; {
		page, err := l.port.Read(ctx, carillon.AllEvents(), after, pageLimit)
		if err != nil {
			return carillon.Appended{}, err
		}
		for i := range page.Events {
			event := &page.Events[i]
			if event.ID != question.EventID {
				continue
			}
			last := int64(question.Events) - 1
			appended := carillon.Appended{First: event.Position, Last: event.Position + carillon.Position(last)}
			if event.Stream != "" {
				appended.Version = event.Version + last
			}
			return appended, nil
		}
		if !page.More {
			return carillon.Appended{}, carillon.ErrNotFound
		}
		after = page.Through
	}
}
