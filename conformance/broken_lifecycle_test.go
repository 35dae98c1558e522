package conformance

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// slowStore is the reference with slow commits: one lock around the stall and the append, and a Close that waits for it.
func slowStore(stall func(), change func(log *altered, s *store, lock *sync.Mutex)) *store {
	return alterStore(func(log *altered, s *store) {
		lock := &sync.Mutex{}
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			lock.Lock()
			defer lock.Unlock()
			stall()
			return log.inner.Append(ctx, batch)
		}
		s.close = func() error {
			lock.Lock()
			defer lock.Unlock()
			return s.Store.Close()
		}
		if change != nil {
			change(log, s, lock)
		}
	})
}

func brokenSlowCommits() []brokenLog {
	slow := func(change func(log *altered, s *store, lock *sync.Mutex, stall func())) func(testing.TB, func()) carillon.Opener {
		return func(_ testing.TB, stall func()) carillon.Opener {
			return slowStore(stall, func(log *altered, s *store, lock *sync.Mutex) { change(log, s, lock, stall) })
		}
	}
	return []brokenLog{
		{
			fault: "shows events before their commit",
			openSlow: slow(func(log *altered, _ *store, lock *sync.Mutex, stall func()) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					verdicts, err := log.inner.Append(ctx, batch)
					stall()
					return verdicts, err
				}
			}),
			caughtBy: []string{"slow commits"},
		},
		{
			fault: "shows a command before its commit",
			openSlow: slow(func(log *altered, _ *store, lock *sync.Mutex, stall func()) {
				var begun sync.Map
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					for _, a := range batch {
						if a.Command != nil {
							begun.Store(a.Command.ID, *a.Command)
						}
					}
					stall()
					return log.inner.Append(ctx, batch)
				}
				log.command = func(ctx context.Context, id string) (carillon.CommandRecord, error) {
					if guard, ok := begun.Load(id); ok {
						return carillon.CommandRecord{Guard: guard.(carillon.CommandGuard)}, nil
					}
					return log.inner.Command(ctx, id)
				}
			}),
			caughtBy: []string{"slow commits"},
		},
		{
			fault: "evaluates guards before a commit that is slow",
			openSlow: slow(func(log *altered, _ *store, _ *sync.Mutex, stall func()) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						book, err := bookOf(ctx, log.inner)
						stall()
						if err != nil {
							return carillon.Verdict{}, err
						}
						if book.judge(&a) == accepted {
							a = unguarded(a)
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"slow commits"},
		},
		{
			fault: "never calls stall",
			openSlow: slow(func(log *altered, _ *store, _ *sync.Mutex, _ func()) {
				log.append = nil
			}),
			caughtBy: []string{"slow commits", "slow commits cancelled", "slow commits and close"},
		},
		{
			fault: "refuses rivals of a slow commit without a guard",
			openSlow: slow(func(log *altered, _ *store, lock *sync.Mutex, stall func()) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					if !lock.TryLock() {
						return nil, errors.New("database is locked")
					}
					defer lock.Unlock()
					stall()
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"slow commits"},
		},
		{
			fault: "leaves half of what a cancelled commit was to write",
			openSlow: slow(func(log *altered, _ *store, lock *sync.Mutex, stall func()) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					stall()
					if ctx.Err() != nil {
						half := batch[0]
						half.Events = half.Events[:1]
						if _, err := log.inner.Append(context.WithoutCancel(ctx), []carillon.Append{half}); err != nil {
							return nil, err
						}
						return nil, ctx.Err()
					}
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"slow commits cancelled"},
		},
		{
			fault: "reports a cancelled context for what it has committed",
			openSlow: slow(func(log *altered, _ *store, lock *sync.Mutex, stall func()) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					stall()
					verdicts, err := log.inner.Append(context.WithoutCancel(ctx), batch)
					return verdicts, errors.Join(err, ctx.Err())
				}
			}),
			caughtBy: []string{"slow commits cancelled"},
		},
		{
			fault: "closes while an append is under way",
			openSlow: slow(func(_ *altered, s *store, _ *sync.Mutex, _ func()) {
				s.close = nil
			}),
			caughtBy: []string{"slow commits and close"},
		},
	}
}

func brokenLifecycles() []brokenLog {
	return []brokenLog{
		{
			fault: "loses everything when it is closed",
			open: func(testing.TB) carillon.Opener {
				return openerFunc(func(ctx context.Context) (carillon.Store, error) { return memory.Volatile().Open(ctx) })
			},
			caughtBy: []string{"reopen", "closed", "close under load", "history"},
		},
		{
			fault: "loses the last append when it is closed",
			open: reopening(func(ctx context.Context, from, to carillon.Log) error {
				book, err := bookOf(ctx, from)
				if err != nil || len(book.events) == 0 {
					return err
				}
				return replay(ctx, book.events[:len(book.events)-1], to)
			}),
			caughtBy: []string{"reopen", "closed", "close under load"},
		},
		{
			fault: "forgets command ids when it is closed",
			open: reopening(func(ctx context.Context, from, to carillon.Log) error {
				book, err := bookOf(ctx, from)
				if err != nil {
					return err
				}
				return replay(ctx, book.events, to)
			}),
			caughtBy: []string{"reopen", "closed"},
		},
		{
			fault: "goes on after it was closed",
			open: func(testing.TB) carillon.Opener {
				return alterStore(func(_ *altered, s *store) { s.close = func() error { return nil } })
			},
			caughtBy: []string{"closed"},
		},
		{
			fault: "cannot be closed twice",
			open: func(testing.TB) carillon.Opener {
				return alterStore(func(_ *altered, s *store) {
					closed := false
					s.close = func() error {
						if closed {
							return carillon.ErrClosed
						}
						closed = true
						return s.Store.Close()
					}
				})
			},
			caughtBy: []string{"closed"},
		},
		{
			fault: "acknowledges what it drops after it was closed",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					verdicts, err := log.inner.Append(ctx, batch)
					if errors.Is(err, carillon.ErrClosed) {
						return make([]carillon.Verdict, len(batch)), errors.New("connection lost")
					}
					return verdicts, err
				}
			}),
			caughtBy: []string{"closed", "close under load"},
		},
		{
			fault: "reads an empty log after it was closed",
			open: alter(func(log *altered) {
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					page, err := log.inner.Read(ctx, query, after, limit)
					if errors.Is(err, carillon.ErrClosed) {
						return carillon.Page{}, nil
					}
					return page, err
				}
			}),
			caughtBy: []string{"closed"},
		},
		{
			fault: "reads with a cancelled context",
			open: alter(func(log *altered) {
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					return log.inner.Read(context.WithoutCancel(ctx), query, after, limit)
				}
			}),
			caughtBy: []string{"cancelled context"},
		},
		{
			fault: "finds no command with a cancelled context",
			open: alter(func(log *altered) {
				log.command = func(ctx context.Context, id string) (carillon.CommandRecord, error) {
					record, err := log.inner.Command(ctx, id)
					if isContextError(err) {
						err = carillon.ErrNotFound
					}
					return record, err
				}
			}),
			caughtBy: []string{"cancelled context"},
		},
		{
			fault: "appends half with a cancelled context",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					if err := ctx.Err(); err != nil {
						half := loose(batch[0].Events[0])
						_, failed := log.inner.Append(context.WithoutCancel(ctx), []carillon.Append{half})
						return nil, errors.Join(err, failed)
					}
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"cancelled context"},
		},
		{
			fault: "appends with a cancelled context and reports it",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					verdicts, err := log.inner.Append(context.WithoutCancel(ctx), batch)
					return verdicts, errors.Join(err, ctx.Err())
				}
			}),
			caughtBy: []string{"cancelled context", "cancelled under load", "linearizable"},
		},
		{
			fault: "is of no use after a cancelled context",
			open: alter(func(log *altered) {
				var lock sync.Mutex
				var broken error
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					lock.Lock()
					defer lock.Unlock()
					if broken == nil {
						broken = ctx.Err()
					}
					if broken != nil {
						return nil, broken
					}
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"cancelled context"},
		},
	}
}

// openerFunc opens a store.
type openerFunc func(ctx context.Context) (carillon.Store, error)

func (f openerFunc) Open(ctx context.Context) (carillon.Store, error) { return f(ctx) }

// reopening opens an empty reference first, and from then on a new one that carry fills from the one before.
func reopening(carry func(ctx context.Context, from, to carillon.Log) error) LogOpener {
	return func(testing.TB) carillon.Opener {
		var last *memory.Store
		return openerFunc(func(ctx context.Context) (carillon.Store, error) {
			next := memory.Volatile()
			if _, err := next.Open(ctx); err != nil {
				return nil, err
			}
			if last != nil {
				if _, err := last.Open(ctx); err != nil {
					return nil, err
				}
				if err := carry(ctx, last.Log(), next.Log()); err != nil {
					return nil, err
				}
			}
			last = next
			return next, nil
		})
	}
}

// replay appends events as they were recorded.
func replay(ctx context.Context, events []carillon.Recorded, log carillon.Log) error {
	for i := range events {
		a := loose(events[i].Message)
		if events[i].Stream != "" {
			a = to(events[i].Stream, carillon.AnyVersion(), events[i].Message)
		}
		if _, err := log.Append(ctx, []carillon.Append{a}); err != nil {
			return err
		}
	}
	return nil
}
