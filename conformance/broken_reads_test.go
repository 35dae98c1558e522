package conformance

import (
	"context"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

func brokenReads() []brokenLog {
	return []brokenLog{
		{
			fault: "skips the last event of a page",
			open: alterPages(func(_ carillon.Query, limit int, page *carillon.Page) {
				if len(page.Events) == limit && limit > 1 {
					page.Events = page.Events[:limit-1]
				}
			}),
			caughtBy: []string{"pages", "guards and queries", "tail", "history"},
		},
		{
			fault: "repeats the last event of a page",
			open: alterPages(func(_ carillon.Query, _ int, page *carillon.Page) {
				if page.More {
					page.Through--
				}
			}),
			caughtBy: []string{"pages", "tail", "history"},
		},
		{
			fault: "reaches through one position more than it has read",
			open: alterPages(func(_ carillon.Query, _ int, page *carillon.Page) {
				if page.More {
					page.Through++
				}
			}),
			caughtBy: []string{"pages", "tail", "history"},
		},
		{
			fault: "reaches through the head with every filtered page",
			open: alter(func(log *altered) {
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					page, err := log.inner.Read(ctx, query, after, limit)
					if err == nil && page.More && len(query.Items) > 0 {
						page.Through, err = log.inner.Head(ctx)
					}
					return page, err
				}
			}),
			caughtBy: []string{"pages", "tail", "history", "guards and queries", "linearizable"},
		},
		{
			fault: "reaches through the last match when there are no more",
			open: alterPages(func(_ carillon.Query, _ int, page *carillon.Page) {
				if len(page.Events) > 0 {
					page.Through = page.Events[len(page.Events)-1].Position
				}
			}),
			caughtBy: []string{"pages", "guards and queries", "history"},
		},
		{
			fault: "falls back to the head when read beyond it",
			open: alter(func(log *altered) {
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					page, err := log.inner.Read(ctx, query, after, limit)
					if head, _ := log.inner.Head(ctx); err == nil && head < after {
						page.Through = head
					}
					return page, err
				}
			}),
			caughtBy: []string{"pages"},
		},
		{
			fault:    "does not say that there is more",
			open:     alterPages(func(_ carillon.Query, _ int, page *carillon.Page) { page.More = false }),
			caughtBy: []string{"pages", "page weight", "history"},
		},
		{
			fault:    "always says that there is more",
			open:     alterPages(func(_ carillon.Query, _ int, page *carillon.Page) { page.More = true }),
			caughtBy: []string{"empty log", "pages", "page weight", "history"},
		},
		{
			fault: "ends a heavy page as if it ended the log",
			open: alterPages(func(_ carillon.Query, limit int, page *carillon.Page) {
				if len(page.Events) < limit {
					page.More = false
				}
			}),
			caughtBy: []string{"page weight"},
		},
		{
			fault: "gives one event more than asked for",
			open: alter(func(log *altered) {
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					return log.inner.Read(ctx, query, after, limit+1)
				}
				log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
					return log.inner.ReadStream(ctx, stream, after, limit+1)
				}
			}),
			caughtBy: []string{"pages", "stream pages", "guards and queries", "history"},
		},
		{
			fault: "reads from a position instead of after it",
			open: alter(func(log *altered) {
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					return log.inner.Read(ctx, query, max(0, after-1), limit)
				}
			}),
			caughtBy: []string{"pages", "guards and queries", "history", "tail"},
		},
		{
			fault: "reads a stream from a version instead of after it",
			open: alter(func(log *altered) {
				log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
					return log.inner.ReadStream(ctx, stream, max(0, after-1), limit)
				}
			}),
			caughtBy: []string{"stream pages", "history", "tail"},
		},
		{
			fault: "loses the last event of a stream",
			open: alter(func(log *altered) {
				log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
					events, err := log.inner.ReadStream(ctx, stream, after, limit)
					return events[:max(0, len(events)-1)], err
				}
			}),
			caughtBy: []string{"stream pages", "tail", "version guard", "linearizable"},
		},
		{
			fault: "reads streams whose names begin alike",
			open: alter(func(log *altered) {
				log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
					infos, err := log.inner.Streams(ctx, "", 1000)
					for _, info := range infos {
						if stream != info.Name && strings.HasPrefix(info.Name, stream) && err == nil {
							stream = info.Name
						}
					}
					if err != nil {
						return nil, err
					}
					return log.inner.ReadStream(ctx, stream, after, limit)
				}
			}),
			caughtBy: []string{"stream pages", "names"},
		},
		{
			fault: "counts versions from zero",
			open: alterRecorded(func(event *carillon.Recorded) {
				if event.Stream != "" {
					event.Version--
				}
			}),
			caughtBy: []string{"version guard", "stream pages", "tail"},
		},
		{
			fault: "has a head in an empty log",
			open: alter(func(log *altered) {
				log.head = func(ctx context.Context) (carillon.Position, error) {
					head, err := log.inner.Head(ctx)
					return max(head, 1), err
				}
			}),
			caughtBy: []string{"empty log"},
		},
		{
			fault: "finds no stream an error",
			open: alter(func(log *altered) {
				log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
					events, err := log.inner.ReadStream(ctx, stream, after, limit)
					if err == nil && len(events) == 0 && after == 0 {
						err = carillon.ErrNotFound
					}
					return events, err
				}
			}),
			caughtBy: []string{"empty log", "stream pages"},
		},
		{
			fault: "leaves a gap in the positions after every fifth event",
			open: alter(func(log *altered) {
				outward := func(p carillon.Position) carillon.Position { return p + (p-1)/5 }
				inward := func(p carillon.Position) carillon.Position { return p - p/6 }
				log.append = func(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
					changed := slices.Clone(batch)
					for i, a := range batch {
						if a.Condition != nil {
							changed[i].Condition = &carillon.Condition{Query: a.Condition.Query, After: inward(a.Condition.After)}
						}
					}
					verdicts, err := log.inner.Append(ctx, changed)
					for i := range verdicts {
						verdicts[i].Appended.First, verdicts[i].Appended.Last = outward(verdicts[i].Appended.First), outward(verdicts[i].Appended.Last)
					}
					return verdicts, err
				}
				log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
					page, err := log.inner.Read(ctx, query, inward(after), limit)
					for i := range page.Events {
						page.Events[i].Position = outward(page.Events[i].Position)
					}
					page.Through = outward(page.Through)
					return page, err
				}
				log.head = func(ctx context.Context) (carillon.Position, error) {
					head, err := log.inner.Head(ctx)
					return outward(head), err
				}
			}),
			caughtBy: []string{"version guard", "pages", "tail", "history", "batch verdicts"},
		},
		{
			fault: "lists streams in the order of their first events",
			open: alter(func(log *altered) {
				log.streams = func(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
					infos, err := log.inner.Streams(ctx, after, limit)
					slices.Reverse(infos)
					return infos, err
				}
			}),
			caughtBy: []string{"stream names"},
		},
		{
			fault: "lists streams from a name instead of after it",
			open: alter(func(log *altered) {
				log.streams = func(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
					infos, err := log.inner.Streams(ctx, "", 1000)
					infos = slices.DeleteFunc(infos, func(info carillon.StreamInfo) bool { return info.Name < after })
					return infos[:min(limit, len(infos))], err
				}
			}),
			caughtBy: []string{"stream names"},
		},
		{
			fault: "lists streams one version short",
			open: alter(func(log *altered) {
				log.streams = func(ctx context.Context, after string, limit int) ([]carillon.StreamInfo, error) {
					infos, err := log.inner.Streams(ctx, after, limit)
					for i := range infos {
						infos[i].Version--
					}
					return infos, err
				}
			}),
			caughtBy: []string{"stream names"},
		},
	}
}

// alterRecorded opens the reference with every event changed as it is read.
func alterRecorded(change func(event *carillon.Recorded)) LogOpener {
	return alter(func(log *altered) {
		log.read = func(ctx context.Context, query carillon.Query, after carillon.Position, limit int) (carillon.Page, error) {
			page, err := log.inner.Read(ctx, query, after, limit)
			for i := range page.Events {
				change(&page.Events[i])
			}
			return page, err
		}
		log.readStream = func(ctx context.Context, stream string, after int64, limit int) ([]carillon.Recorded, error) {
			events, err := log.inner.ReadStream(ctx, stream, after, limit)
			for i := range events {
				change(&events[i])
			}
			return events, err
		}
	})
}
