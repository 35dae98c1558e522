package projection

import (
	"context"
	"log/slog"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// maxLinks is how many links one activity has at most.
const maxLinks = 128

// observe has the observer read figures until stop is called.
func (e *Engine) observe() (stop func()) {
	if e.observer == nil {
		return func() {}
	}
	stop, err := e.observer.Watch(e.readings)
	if err != nil {
		e.logger.Error("figures of projections not observed", slog.Any("error", err))
	}
	if stop == nil {
		return func() {}
	}
	return stop
}

// readings are how far everything lies behind, and what is parked.
func (e *Engine) readings(ctx context.Context) (all []carillon.Reading) {
	statuses, err := e.Status(ctx)
	if err != nil {
		return nil
	}
	port, parks := e.store.(carillon.DeadLetterStore)
	for _, status := range statuses {
		all = append(all, carillon.Reading{Kind: carillon.ReadingLag, Name: status.Name, Value: status.Lag})
		if !parks {
			continue
		}
		keys, err := port.DeadLetters().Keys(ctx, status.Name)
		if err != nil {
			continue
		}
		letters := int64(0)
		for _, key := range keys {
			letters += key.Letters
		}
		all = append(all, carillon.Reading{Kind: carillon.ReadingParkedKeys, Name: status.Name, Value: int64(len(keys))},
			carillon.Reading{Kind: carillon.ReadingDeadLetters, Name: status.Name, Value: letters})
	}
	return all
}

// observed applies a batch under the eyes of the observer. The batch is linked to what its events come of: it goes on in no one's trace.
func (r *runner) observed(ctx context.Context, batch eventlog.Batch, from carillon.Position) (reached carillon.Position, err error) {
	if _, forwards := r.work.(*forwardWorker); r.engine.observer == nil || forwards { // what forwards is told of by whoever publishes
		return r.safely(ctx, batch, from)
	}
	var links []carillon.Trace
	for i := range batch.Entries {
		event := batch.Entries[i].Recorded
		if event.TraceParent != "" && len(links) < maxLinks {
			links = append(links, event.Trace())
		}
	}
	ctx, o := r.engine.observer.Begin(ctx, carillon.Activity{Kind: carillon.ActivityProject, Name: r.name, Count: len(batch.Entries), Links: links})
	defer func() { o.End(err) }()
	return r.safely(ctx, batch, from)
}

// observed calls the handler of an event under the eyes of the observer. What a reactor does, however long after the event, is a trace of its
// own with a link.
func (w *reactorWorker) observed(ctx context.Context, entry *eventlog.Entry) (err error) {
	if w.engine.observer == nil {
		return w.attempt(ctx, entry)
	}
	activity := carillon.Activity{Kind: carillon.ActivityReact, Name: w.reactor.name, Message: &entry.Message, Count: 1}
	if entry.TraceParent != "" {
		activity.Links = []carillon.Trace{entry.Trace()}
	}
	ctx, o := w.engine.observer.Begin(ctx, activity)
	defer func() { o.End(err) }()
	return w.attempt(ctx, entry)
}
