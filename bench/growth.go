package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

// The sides of the contest on growth.
const (
	smallLog    = "append, 64 callers, short log"
	largeLog    = "append, 64 callers, long log"
	smallLogAny = "append to any stream, 64 callers, short log"
	largeLogAny = "append to any stream, 64 callers, long log"
)

// growthLength is how many events each stream of the logs has.
const growthLength = 10

// growth holds the rate of appends to a long log against that to a short one, both Carillon's. Each caller has its streams,
// spread over all of the log. The other two sides append to any stream of the log, which the writer then knows nothing of.
func growth(ctx context.Context, w *workspace) (*contest, error) {
	logs := &openLogs{}
	c := &contest{close: logs.close, claims: []claim{
		{
			work:    fmt.Sprintf("growth: append rate at %s events", grouped(w.large)),
			against: fmt.Sprintf("its rate at %s", grouped(w.small)), floor: 0.85, value: ratio(largeLog, smallLog),
		},
		{work: "… to streams not seen lately", against: fmt.Sprintf("its rate at %s", grouped(w.small)), value: ratio(largeLogAny, smallLogAny)},
	}}
	for _, s := range []struct {
		own, random string
		events      int
	}{{smallLog, smallLogAny, w.small}, {largeLog, largeLogAny, w.large}} {
		p, err := fillGrowth(ctx, w, logs, s.events)
		if err != nil {
			return nil, errors.Join(err, logs.close())
		}
		streams := newVersions(s.events/growthLength, growthLength)
		c.sides = append(c.sides,
			side{
				name: s.own, unit: "events", what: fmt.Sprintf("eventlog.Append, log of %s events, 100 streams for each caller", grouped(s.events)),
				run: appendsBehind(p, streams.appender(p, hundredStreams)),
			},
			side{
				name: s.random, unit: "events", what: fmt.Sprintf("eventlog.Append, log of %s events, any stream of it", grouped(s.events)),
				run: appendsBehind(p, streams.appender(p, everyStream)),
			})
	}
	return c, nil
}

func fillGrowth(ctx context.Context, w *workspace, logs *openLogs, events int) (*product, error) {
	w.say("  building a log of %s events", grouped(events))
	path := w.path("carillon.db")
	streams := events / growthLength
	err := fillProduct(ctx, path, events, func(n int) (string, int64, carillon.Message) {
		customer := customerKey(n % streams)
		return customerStream(customer), int64(n/streams) + 1, carillon.Message{Key: customer, Payload: payloadFor(n, customer)}
	})
	if err != nil {
		return nil, err
	}
	return logs.open(ctx, path)
}
