package conformance

import (
	"context"
	"errors"
	"strings"

	"github.com/carillon-go/carillon"
)

func brokenCommands() []brokenLog {
	return []brokenLog{
		{
			fault:    "forgets the command id",
			open:     alterAppends(func(a *carillon.Append) { a.Command = nil }),
			caughtBy: []string{"command guard", "command lookup", "combined guards", "batch verdicts", "command race", "history", "reopen", "linearizable"},
		},
		{
			fault: "forgets the digest",
			open: alterAppends(func(a *carillon.Append) {
				if a.Command != nil {
					a.Command = &carillon.CommandGuard{ID: a.Command.ID}
				}
			}),
			caughtBy: []string{"command guard", "combined guards", "batch verdicts", "command race", "command lookup"},
		},
		{
			fault: "compares half of the digest",
			open: alterAppends(func(a *carillon.Append) {
				if a.Command != nil {
					guard := *a.Command
					clear(guard.Digest[8:])
					a.Command = &guard
				}
			}),
			caughtBy: []string{"command guard"},
		},
		{
			fault: "answers a duplicate with new positions",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				verdict, err := log.appendOne(ctx, a)
				if verdict.Appended.Duplicate {
					head, headErr := log.inner.Head(ctx)
					verdict.Appended.First, verdict.Appended.Last, err = head+1, head+carillon.Position(len(a.Events)), errors.Join(err, headErr)
				}
				return verdict, err
			}),
			caughtBy: []string{"command guard", "batch verdicts", "command race", "history", "linearizable"},
		},
		{
			fault: "appends a duplicate again",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				verdict, err := log.appendOne(ctx, a)
				if verdict.Appended.Duplicate {
					again := carillon.Append{Stream: a.Stream, Events: a.Events}
					if a.Stream != "" {
						again.Expect = carillon.AnyVersion()
					}
					if _, err := log.appendOne(ctx, again); err != nil {
						return verdict, err
					}
				}
				return verdict, err
			}),
			caughtBy: []string{"command guard", "batch verdicts", "command race", "linearizable"},
		},
		{
			fault:    "does not say that it is a duplicate",
			open:     alterVerdicts(func(_ *carillon.Append, verdict *carillon.Verdict) { verdict.Appended.Duplicate = false }),
			caughtBy: []string{"command guard", "batch verdicts", "command race"},
		},
		{
			fault: "uses up the command id of a refused append",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				if a.Command != nil {
					if _, err := log.inner.Command(ctx, "refused "+a.Command.ID); err == nil {
						return carillon.Verdict{Err: carillon.ErrCommandReused}, nil
					}
				}
				verdict, err := log.appendOne(ctx, a)
				if verdict.Err != nil && a.Command != nil {
					refused := carillon.Append{Events: a.Events, Command: &carillon.CommandGuard{ID: "refused " + a.Command.ID}}
					_, err = log.appendOne(ctx, refused)
				}
				return verdict, err
			}),
			caughtBy: []string{"command guard", "combined guards", "linearizable"},
		},
		{
			fault: "takes command ids without regard to case",
			open: alterAppends(func(a *carillon.Append) {
				if a.Command != nil {
					a.Command = &carillon.CommandGuard{ID: strings.ToLower(a.Command.ID), Digest: a.Command.Digest}
				}
			}),
			caughtBy: []string{"command guard", "names"},
		},
		{
			fault: "keeps command ids per stream",
			open: alterAppends(func(a *carillon.Append) {
				if a.Command != nil {
					a.Command = &carillon.CommandGuard{ID: a.Stream + "/" + a.Command.ID, Digest: a.Command.Digest}
				}
			}),
			caughtBy: []string{"command guard"},
		},
		{
			fault: "remembers an unknown command",
			open: alter(func(log *altered) {
				log.command = func(ctx context.Context, id string) (carillon.CommandRecord, error) {
					record, err := log.inner.Command(ctx, id)
					if errors.Is(err, carillon.ErrNotFound) {
						return carillon.CommandRecord{}, nil
					}
					return record, err
				}
			}),
			caughtBy: []string{"command lookup", "linearizable"},
		},
		{
			fault: "remembers a command without its result",
			open: alter(func(log *altered) {
				log.command = func(ctx context.Context, id string) (carillon.CommandRecord, error) {
					record, err := log.inner.Command(ctx, id)
					return carillon.CommandRecord{Guard: record.Guard}, err
				}
			}),
			caughtBy: []string{"command lookup", "command guard"},
		},
	}
}

func brokenBatches() []brokenLog {
	return []brokenLog{
		{
			fault: "refuses all of a batch for one",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					l, err := bookOf(ctx, log.inner)
					if err != nil {
						return nil, err
					}
					for i := range batch {
						if l.judge(&batch[i]) == accepted {
							l.accept(&batch[i])
							continue
						}
						verdicts, err := log.inner.Append(ctx, batch[i:i+1])
						if err != nil || verdicts[0].Err == nil {
							return log.inner.Append(ctx, batch)
						}
						all := make([]carillon.Verdict, len(batch))
						for j := range all {
							all[j] = verdicts[0]
						}
						return all, nil
					}
					return log.inner.Append(ctx, batch)
				}
			}),
			caughtBy: []string{"batch verdicts", "batch guards", "large batch"},
		},
		{
			fault: "leaves the first event of a refused append",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				verdict, err := log.appendOne(ctx, a)
				if verdict.Err != nil {
					_, err = log.appendOne(ctx, loose(a.Events[0]))
				}
				return verdict, err
			}),
			caughtBy: []string{"version guard", "condition guard", "batch verdicts", "stream race", "boundary race"},
		},
		{
			fault: "answers in another order",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					verdicts, err := log.inner.Append(ctx, batch)
					if len(verdicts) > 2 {
						verdicts[0], verdicts[1] = verdicts[1], verdicts[0]
					}
					return verdicts, err
				}
			}),
			caughtBy: []string{"batch verdicts", "batch guards"},
		},
		{
			fault: "answers only what it has accepted",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					verdicts, err := log.inner.Append(ctx, batch)
					var some []carillon.Verdict
					for _, verdict := range verdicts {
						if verdict.Err == nil {
							some = append(some, verdict)
						}
					}
					return some, err
				}
			}),
			caughtBy: []string{"batch verdicts"},
		},
		{
			fault: "evaluates guards against the log without the batch",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					before, err := bookOf(ctx, log.inner)
					if err != nil {
						return nil, err
					}
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						if before.judge(&a) == accepted {
							a = unguarded(a)
						}
						return log.appendOne(ctx, a)
					})
				}
			}),
			caughtBy: []string{"batch guards", "large batch", "linearizable"},
		},
		{
			fault: "sees a batch's refused appends as if they were there",
			open: alter(func(log *altered) {
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					var refused []carillon.Message
					return oneByOne(batch, func(a carillon.Append) (carillon.Verdict, error) {
						for i := range refused {
							if a.Condition != nil && a.Condition.Query.Matches(refused[i].Type, refused[i].Tags) {
								return carillon.Verdict{Err: &carillon.ConflictError{Guard: carillon.GuardCondition, Position: 1}}, nil
							}
						}
						verdict, err := log.appendOne(ctx, a)
						if verdict.Err != nil {
							refused = append(refused, a.Events...)
						}
						return verdict, err
					})
				}
			}),
			caughtBy: []string{"batch guards"},
		},
	}
}

// bookOf reads a log into a ledger, command ids left out.
func bookOf(ctx context.Context, log carillon.Log) (*ledger, error) {
	events, _, err := walk(ctx, log, carillon.AllEvents(), 0, 1000)
	if err != nil {
		return nil, err
	}
	l := newLedger()
	for i := range events {
		if stream := events[i].Stream; stream != "" {
			l.streams[stream] = append(l.streams[stream], i)
		}
	}
	l.events = events
	return l, nil
}

// unguarded is an append without its guards.
func unguarded(a carillon.Append) carillon.Append {
	a.Condition, a.Command = nil, nil
	if a.Stream != "" {
		a.Expect = carillon.AnyVersion()
	}
	return a
}
