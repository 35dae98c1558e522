package eventlog

import (
	"context"

	"github.com/carillon-go/carillon"
)

// observed appends under the eyes of the observer. Events that carry no trace yet carry that of the append.
func (l *Log) observed(ctx context.Context, a carillon.Append) (appended carillon.Appended, err error) {
	ctx, o := l.observer.Begin(ctx, carillon.Activity{
		Kind: carillon.ActivityAppend, Count: len(a.Events), Cause: carillon.ParseTrace(a.Events[0].TraceParent, a.Events[0].TraceState),
	})
	defer func() { o.End(err) }()
	trace := o.Trace()
	for i := range a.Events {
		if a.Events[i].TraceParent == "" {
			a.Events[i].SetTrace(trace)
		}
	}
	return l.coordinator.append(ctx, a)
}

// appendBatch commits appends of several callers, under the eyes of the observer if there is one.
func (c *coordinator) appendBatch(ctx context.Context, appends []carillon.Append) (verdicts []carillon.Verdict, err error) {
	if c.log.observer == nil {
		return c.appendToPort(ctx, appends)
	}
	ctx, o := c.log.observer.Begin(ctx, carillon.Activity{Kind: carillon.ActivityCommit, Count: len(appends)})
	defer func() { o.End(err) }()
	return c.appendToPort(ctx, appends)
}
