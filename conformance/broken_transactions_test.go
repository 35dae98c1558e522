package conformance

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/carillon-go/carillon"
)

// brokenTransactions are logs that do right by one caller at a time.
func brokenTransactions() []brokenLog {
	return []brokenLog{
		{
			fault: "checks the stream version before it takes the lock",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						want, ok := a.Expect.Version()
						if !ok {
							return log.appendOne(ctx, a)
						}
						events, err := log.inner.ReadStream(ctx, a.Stream, max(0, want-1), 2)
						pause()
						if holds := len(events) == int(min(want, 1)); err == nil && holds {
							a.Expect = carillon.AnyVersion()
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"stream race", "combined race", "linearizable"},
		},
		{
			fault: "checks the condition before it takes the lock",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						if a.Condition == nil {
							return log.appendOne(ctx, a)
						}
						page, err := log.inner.Read(ctx, a.Condition.Query, a.Condition.After, 1)
						pause()
						if err == nil && len(page.Events) == 0 {
							a.Condition = nil
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"boundary race", "overlapping boundaries race", "seats race", "plain and conditional race", "combined race", "linearizable"},
		},
		{
			fault: "locks conditional appends against one another, but not against plain ones",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						if a.Condition == nil {
							return log.appendOne(ctx, a)
						}
						lock.Lock()
						defer lock.Unlock()
						page, err := log.inner.Read(ctx, a.Condition.Query, a.Condition.After, 1)
						pause()
						if err == nil && len(page.Events) == 0 {
							a.Condition = nil
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"plain and conditional race", "linearizable"},
		},
		{
			fault: "locks equal boundaries against one another, but not overlapping ones",
			open: alter(func(log *altered) {
				var locks sync.Map
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						if a.Condition == nil {
							return log.appendOne(ctx, a)
						}
						lock, _ := locks.LoadOrStore(describeQuery(a.Condition.Query), &sync.Mutex{})
						lock.(*sync.Mutex).Lock()
						defer lock.(*sync.Mutex).Unlock()
						page, err := log.inner.Read(ctx, a.Condition.Query, a.Condition.After, 1)
						pause()
						if err == nil && len(page.Events) == 0 {
							a.Condition = nil
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"overlapping boundaries race", "linearizable"},
		},
		{
			fault: "looks for the command id before it takes the lock",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						if a.Command == nil {
							return log.appendOne(ctx, a)
						}
						_, err := log.inner.Command(ctx, a.Command.ID)
						pause()
						if errors.Is(err, carillon.ErrNotFound) {
							if _, err := log.inner.Command(ctx, a.Command.ID); err == nil {
								a.Command = nil
							}
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"command race", "combined race", "linearizable"},
		},
		{
			fault: "takes whoever loses for a duplicate",
			open: alter(func(log *altered) {
				var racing sync.Map
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						if a.Command == nil {
							return log.appendOne(ctx, a)
						}
						if _, others := racing.LoadOrStore(a.Command.ID, true); others {
							return carillon.Verdict{Appended: carillon.Appended{Duplicate: true}}, nil
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"command race", "linearizable"},
		},
		{
			fault: "refuses plain appends while others append",
			open: alter(func(log *altered) {
				var busy sync.Mutex
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					if !busy.TryLock() {
						return nil, errors.New("database is locked")
					}
					defer busy.Unlock()
					pause()
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"plain and conditional race", "stream race", "tail"},
		},
		{
			fault: "leaves half a batch when its context is cancelled",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						verdict, err := log.appendOne(ctx, a)
						for range 20 {
							runtime.Gosched()
						}
						return verdict, err
					})
				}
			}),
			caughtBy: []string{"cancelled under load", "linearizable"},
		},
	}
}
