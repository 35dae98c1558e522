package projection

import (
	"context"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/readings"
)

// readings are how far everything lies behind, and what is parked.
func (e *Engine) readings(ctx context.Context) (all []carillon.Reading) {
	statuses, err := e.Status(ctx)
	if err != nil {
		return nil
	}
	letters, parks := e.store.(carillon.DeadLetterStore)
	for _, status := range statuses {
		all = append(all, carillon.Reading{Kind: carillon.ReadingLag, Name: status.Name, Value: status.Lag})
		if parks {
			all = append(all, readings.Parked(ctx, letters.DeadLetters(), status.Name, "")...)
		}
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
		if event.TraceParent != "" && len(links) < carillon.MaxLinks {
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
