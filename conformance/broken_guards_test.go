package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

func brokenGuards() []brokenLog {
	return []brokenLog{
		{
			fault: "ignores the stream version",
			open: alterAppends(func(a *carillon.Append) {
				if a.Expect.IsSet() {
					a.Expect = carillon.AnyVersion()
				}
			}),
			caughtBy: []string{"version guard", "combined guards", "batch guards", "stream race", "history", "reopen", "linearizable"},
		},
		{
			fault: "expects one version less",
			open: alterAppends(func(a *carillon.Append) {
				if version, ok := a.Expect.Version(); ok && version > 0 {
					a.Expect = carillon.Exactly(version - 1)
				}
			}),
			caughtBy: []string{"version guard", "history"},
		},
		{
			fault: "takes an older version for good enough",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				if version, ok := a.Expect.Version(); ok && version > 0 {
					a.Expect = carillon.AnyVersion()
				}
				return log.appendOne(ctx, a)
			}),
			caughtBy: []string{"version guard", "stream race", "linearizable"},
		},
		{
			fault: "takes the log's position for the stream's version",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				head, err := log.inner.Head(ctx)
				if version, ok := a.Expect.Version(); ok && version == int64(head) {
					a.Expect = carillon.AnyVersion()
				}
				if err != nil {
					return carillon.Verdict{}, err
				}
				return log.appendOne(ctx, a)
			}),
			caughtBy: []string{"version guard"},
		},
		{
			fault: "names a wrong version in a conflict",
			open: alterVerdicts(func(_ *carillon.Append, verdict *carillon.Verdict) {
				if conflict, ok := errors.AsType[*carillon.ConflictError](verdict.Err); ok && conflict.Guard == carillon.GuardVersion {
					verdict.Err = &carillon.ConflictError{
						Guard: conflict.Guard, Stream: conflict.Stream, Expected: conflict.Expected, Actual: conflict.Expected + 1,
					}
				}
			}),
			caughtBy: []string{"version guard", "stream race", "history", "linearizable"},
		},
		{
			fault: "answers a conflict with a bare error",
			open: alterVerdicts(func(_ *carillon.Append, verdict *carillon.Verdict) {
				if verdict.Err != nil {
					verdict.Err = carillon.ErrConflict
				}
			}),
			caughtBy: []string{"version guard", "condition guard"},
		},
		{
			fault:    "skips the condition",
			open:     alterAppends(func(a *carillon.Append) { a.Condition = nil }),
			caughtBy: []string{"condition guard", "combined guards", "guards and queries", "boundary race", "seats race", "large batch", "limits", "linearizable"},
		},
		{
			fault: "skips the condition of appends to a stream",
			open: alterAppends(func(a *carillon.Append) {
				if a.Stream != "" {
					a.Condition = nil
				}
			}),
			caughtBy: []string{"combined guards", "history", "combined race", "linearizable"},
		},
		{
			fault: "takes after for inclusive",
			open: alterAppends(func(a *carillon.Append) {
				if a.Condition != nil {
					a.Condition = &carillon.Condition{Query: a.Condition.Query, After: max(0, a.Condition.After-1)}
				}
			}),
			caughtBy: []string{"condition guard", "guards and queries", "history", "linearizable"},
		},
		{
			fault: "looks one position too far ahead",
			open: alterAppends(func(a *carillon.Append) {
				if a.Condition != nil {
					a.Condition = &carillon.Condition{Query: a.Condition.Query, After: a.Condition.After + 1}
				}
			}),
			caughtBy: []string{"condition guard", "boundary race", "linearizable"},
		},
		{
			fault: "refuses a conditional append whenever the log has moved",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				if a.Condition != nil {
					a.Condition = &carillon.Condition{After: a.Condition.After}
				}
				return log.appendOne(ctx, a)
			}),
			caughtBy: []string{"condition guard", "overlapping boundaries race", "guards and queries", "linearizable"},
		},
		{
			fault: "forgets conditions older than eight events",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				head, err := log.inner.Head(ctx)
				if a.Condition != nil {
					a.Condition = &carillon.Condition{Query: a.Condition.Query, After: max(a.Condition.After, head-8)}
				}
				if err != nil {
					return carillon.Verdict{}, err
				}
				return log.appendOne(ctx, a)
			}),
			caughtBy: []string{"guards and queries", "linearizable"},
		},
		{
			fault: "names a position that does not match in a conflict",
			open: alterVerdicts(func(_ *carillon.Append, verdict *carillon.Verdict) {
				if conflict, ok := errors.AsType[*carillon.ConflictError](verdict.Err); ok && conflict.Guard == carillon.GuardCondition {
					verdict.Err = &carillon.ConflictError{Guard: conflict.Guard, Position: conflict.Position + 1}
				}
			}),
			caughtBy: []string{"condition guard", "history", "linearizable"},
		},
		{
			fault: "evaluates the stream version before the command id",
			open: onePerLock(func(ctx context.Context, log *altered, a carillon.Append) (carillon.Verdict, error) {
				unguarded := a
				unguarded.Condition, unguarded.Command = nil, nil
				if version, ok := a.Expect.Version(); ok {
					events, err := log.inner.ReadStream(ctx, a.Stream, 0, 1<<20)
					if err != nil {
						return carillon.Verdict{}, err
					}
					if actual := int64(len(events)); actual != version {
						return carillon.Verdict{Err: &carillon.ConflictError{
							Guard: carillon.GuardVersion, Stream: a.Stream, Expected: version, Actual: actual,
						}}, nil
					}
				}
				return log.appendOne(ctx, a)
			}),
			caughtBy: []string{"combined guards", "command guard", "history", "linearizable"},
		},
		{
			fault:    "matches any tag instead of all",
			open:     alterQueries(anyTag),
			caughtBy: []string{"condition guard", "guards and queries", "pages", "limits"},
		},
		{
			fault: "ignores types",
			open: alterQueries(func(query carillon.Query) carillon.Query {
				return changeItems(query, func(item carillon.Item) []carillon.Item {
					if len(item.Tags) == 0 {
						return []carillon.Item{item}
					}
					return []carillon.Item{{Tags: item.Tags}}
				})
			}),
			caughtBy: []string{"condition guard", "guards and queries", "pages", "tail"},
		},
		{
			fault: "ignores all items but the first",
			open: alterQueries(func(query carillon.Query) carillon.Query {
				return carillon.Query{Items: query.Items[:min(1, len(query.Items))]}
			}),
			caughtBy: []string{"condition guard", "guards and queries", "pages", "boundary race", "tail"},
		},
		{
			fault: "joins the types of all items",
			open: alterQueries(func(query carillon.Query) carillon.Query {
				var types []string
				for _, item := range query.Items {
					types = append(types, item.Types...)
				}
				return changeItems(query, func(item carillon.Item) []carillon.Item {
					if len(item.Types) > 0 {
						item.Types = types
					}
					return []carillon.Item{item}
				})
			}),
			caughtBy: []string{"condition guard", "guards and queries"},
		},
		{
			fault: "cuts the last tag of a query",
			open: alterQueries(func(query carillon.Query) carillon.Query {
				return changeItems(query, func(item carillon.Item) []carillon.Item {
					if len(item.Tags) > 1 {
						item.Tags = item.Tags[:len(item.Tags)-1]
					}
					return []carillon.Item{item}
				})
			}),
			caughtBy: []string{"condition guard", "guards and queries"},
		},
		{
			fault: "matches tags without regard to case",
			open: alterMessagesAndQueries(func(tag carillon.Tag) carillon.Tag {
				return carillon.Tag(strings.ToLower(string(tag)))
			}),
			caughtBy: []string{"names"},
		},
		{
			fault: "compares the first hundred bytes of a tag",
			open: alterMessagesAndQueries(func(tag carillon.Tag) carillon.Tag {
				return tag[:min(len(tag), 100)]
			}),
			caughtBy: []string{"names"},
		},
	}
}

// changeItems replaces every item of a query.
func changeItems(query carillon.Query, change func(item carillon.Item) []carillon.Item) carillon.Query {
	var changed carillon.Query
	for _, item := range query.Items {
		changed.Items = append(changed.Items, change(item)...)
	}
	return changed
}

func anyTag(query carillon.Query) carillon.Query {
	return changeItems(query, func(item carillon.Item) []carillon.Item {
		if len(item.Tags) == 0 {
			return []carillon.Item{item}
		}
		var items []carillon.Item
		for _, tag := range item.Tags {
			items = append(items, carillon.Item{Types: item.Types, Tags: []carillon.Tag{tag}})
		}
		return items
	})
}

// alterMessagesAndQueries opens the reference with tags folded in events and in conditions.
func alterMessagesAndQueries(fold func(tag carillon.Tag) carillon.Tag) LogOpener {
	folded := func(tags []carillon.Tag) []carillon.Tag {
		tags = slices.Clone(tags)
		for i := range tags {
			tags[i] = fold(tags[i])
		}
		return tags
	}
	open := func(log *altered) {
		log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
			changed := slices.Clone(batch)
			for i := range changed {
				changed[i].Events = slices.Clone(batch[i].Events)
				for j := range changed[i].Events {
					changed[i].Events[j].Tags = folded(batch[i].Events[j].Tags)
				}
				if condition := batch[i].Condition; condition != nil {
					changed[i].Condition = &carillon.Condition{After: condition.After, Query: changeItems(condition.Query,
						func(item carillon.Item) []carillon.Item {
							return []carillon.Item{{Types: item.Types, Tags: folded(item.Tags)}}
						})}
				}
			}
			return log.inner.Append(ctx, changed)
		}
	}
	return alter(open)
}
