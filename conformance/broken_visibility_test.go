package conformance

import (
	"context"
	"slices"
	"sync"

	"github.com/carillon-go/carillon"
)

// brokenVisibility are logs that store everything rightly and show it wrongly while others append.
func brokenVisibility() []brokenLog {
	return []brokenLog{
		{
			fault:    "hands out positions before the commit",
			open:     alter(func(log *altered) { newEarly(log) }),
			caughtBy: []string{"tail", "linearizable"},
		},
		{
			fault: "hands out positions before the commit and moves the head with them",
			open: alter(func(log *altered) {
				newEarly(log)
				log.head = nil
			}),
			caughtBy: []string{"tail", "linearizable"},
		},
		{
			fault: "hands out positions before the commit, and readers of all events wait for the gap",
			open: alter(func(log *altered) {
				early := newEarly(log)
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					if len(query.Items) > 0 {
						return early.read(ctx, query, after, limit)
					}
					return early.readToGap(ctx, after, limit)
				}
			}),
			caughtBy: []string{"tail", "linearizable"},
		},
		{
			fault: "shows a batch append by append",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						pause()
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"tail"},
		},
		{
			fault: "takes the head for searched that has moved since the search",
			open: alter(func(log *altered) {
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					page, err := log.inner.Read(ctx, query, after, limit)
					if err == nil && !page.More && len(query.Items) > 0 {
						pause()
						page.Through, err = log.inner.Head(ctx)
					}
					return page, err
				}
			}),
			caughtBy: []string{"tail", "linearizable"},
		},
		{
			fault: "answers an append before readers see it",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				var shown, head carillon.Position
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					verdicts, err := log.inner.Append(ctx, batch)
					if err != nil {
						return nil, err
					}
					shown = head
					head, err = log.inner.Head(ctx)
					return verdicts, err
				}
				log.head = func(context.Context) (carillon.Position, error) {
					lock.Lock()
					defer lock.Unlock()
					return shown, nil
				}
			}),
			caughtBy: []string{"tail", "version guard", "linearizable"},
		},
		{
			fault: "shows the events of a stream out of order while others append",
			open: alter(func(log *altered) {
				log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
					events, err := log.inner.ReadStream(ctx, stream, after, limit)
					if len(events) > 1 {
						events[0], events[1] = events[1], events[0]
					}
					return events, err
				}
			}),
			caughtBy: []string{"tail", "stream pages"},
		},
		{
			fault: "reads from a replica that may be behind the one before",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				calls := 0
				log.head = func(ctx context.Context) (carillon.Position, error) {
					lock.Lock()
					defer lock.Unlock()
					calls++
					head, err := log.inner.Head(ctx)
					return max(0, head-carillon.Position(calls%2)), err
				}
			}),
			caughtBy: []string{"tail", "version guard", "linearizable"},
		},
	}
}

// early is a log whose positions are given when an append begins and whose events are seen when it ends, so that a later append
// may be seen first.
type early struct {
	log *altered

	lock    sync.RWMutex
	pending []carillon.Appended
}

func newEarly(log *altered) *early {
	e := &early{log: log}
	log.append, log.read, log.readStream, log.head = e.append, e.read, e.readStream, e.head
	return e
}

func (e *early) append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	e.lock.Lock()
	verdicts, err := e.log.inner.Append(ctx, batch)
	var own []carillon.Appended
	for _, verdict := range verdicts {
		if verdict.Err == nil && !verdict.Appended.Duplicate {
			own = append(own, verdict.Appended)
		}
	}
	e.pending = append(e.pending, own...)
	e.lock.Unlock()

	pause()

	e.lock.Lock()
	defer e.lock.Unlock()
	e.pending = slices.DeleteFunc(e.pending, func(a carillon.Appended) bool { return slices.Contains(own, a) })
	return verdicts, err
}

// visible leaves out what is pending; the caller holds the lock.
func (e *early) visible(events []carillon.Recorded) []carillon.Recorded {
	return slices.DeleteFunc(events, func(event carillon.Recorded) bool {
		return slices.ContainsFunc(e.pending, func(a carillon.Appended) bool { return a.First <= event.Position && event.Position <= a.Last })
	})
}

func (e *early) read(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
	e.lock.RLock()
	defer e.lock.RUnlock()
	page, err := e.log.inner.Read(ctx, query, after, limit)
	page.Events = e.visible(page.Events)
	if len(page.Events) > 0 && !page.More {
		page.Through = page.Events[len(page.Events)-1].Position
	}
	return page, err
}

func (e *early) readToGap(ctx context.Context, after carillon.Position, limit int) (carillon.Page, error) {
	e.lock.RLock()
	defer e.lock.RUnlock()
	page, err := e.log.inner.Read(ctx, carillon.AllEvents(), after, limit)
	events := e.visible(page.Events)
	page = carillon.Page{Through: after}
	for i := range events {
		if events[i].Position != page.Through+1 {
			break
		}
		page.Events, page.Through = events[:i+1], events[i].Position
	}
	return page, err
}

func (e *early) readStream(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
	e.lock.RLock()
	defer e.lock.RUnlock()
	events, err := e.log.inner.ReadStream(ctx, stream, after, limit)
	return e.visible(events), err
}

func (e *early) head(ctx context.Context) (carillon.Position, error) {
	e.lock.RLock()
	defer e.lock.RUnlock()
	head, err := e.log.inner.Head(ctx)
	for _, pending := range e.pending {
		head = min(head, pending.First-1)
	}
	return head, err
}
