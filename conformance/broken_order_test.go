package conformance

import (
	"context"
	"sync"

	"github.com/carillon-go/carillon"
)

// brokenOrder are logs whose answers are right one by one and fit no order of the calls.
func brokenOrder() []brokenLog {
	return []brokenLog{
		{
			fault: "acknowledges an append without a guard that it does not keep, one in forty",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				loose := 0
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						if a.Stream == "" && a.Condition == nil && a.Command == nil {
							loose++
						}
						if loose < 40 {
							return log.appendOne(ctx, a)
						}
						loose = 0
						head, err := log.inner.Head(ctx)
						return carillon.Verdict{Appended: carillon.Appended{First: head + 1, Last: head + carillon.Position(len(a.Events))}}, err
					})
				}
			}),
			caughtBy: []string{"linearizable"},
		},
		{
			fault: "shows every ninth read the log as it was some events ago",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				reads := 0
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					lock.Lock()
					reads++
					old := reads%9 == 0
					lock.Unlock()
					page, err := log.inner.Read(ctx, query, after, limit)
					if err == nil && old && !page.More && page.Through > after+4 {
						page.Through -= 4
						for len(page.Events) > 0 && page.Events[len(page.Events)-1].Position > page.Through {
							page.Events = page.Events[:len(page.Events)-1]
						}
					}
					return page, err
				}
			}),
			caughtBy: []string{"linearizable"},
		},
		{
			fault: "looks commands up where they arrive an append later",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				var known, head carillon.Position
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					verdicts, err := log.inner.Append(ctx, batch)
					if err != nil {
						return nil, err
					}
					known = head
					head, err = log.inner.Head(ctx)
					return verdicts, err
				}
				log.command = func(ctx context.Context, id string) (carillon.CommandRecord, error) {
					lock.Lock()
					defer lock.Unlock()
					record, err := log.inner.Command(ctx, id)
					if err == nil && record.Appended.Last > known {
						return carillon.CommandRecord{}, carillon.ErrNotFound
					}
					return record, err
				}
			}),
			caughtBy: []string{"linearizable", "command lookup"},
		},
		{
			fault: "carries out an unknown append when the next but one comes",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				var late []carillon.Append
				wait := 0
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					if ctx.Err() != nil && late == nil && len(batch) > 0 {
						late, wait = batch, 2
						return nil, &carillon.OutcomeUnknownError{EventID: batch[0].Events[0].ID, Cause: ctx.Err()}
					}
					verdicts, err := log.inner.Append(ctx, batch)
					if wait--; err == nil && wait == 0 {
						_, err = log.inner.Append(ctx, late)
						late = nil
					}
					return verdicts, err
				}
			}),
			caughtBy: []string{"linearizable"},
		},
	}
}
