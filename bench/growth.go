package main

import (
	"context"
	"errors"
	"fmt"
	"time"

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
		streams := newVersions(s.events / growthLength)
		c.sides = append(c.sides,
			side{
				name: s.own, unit: "events", what: fmt.Sprintf("eventlog.Append, log of %s events, 100 streams for each caller", grouped(s.events)),
				run: streams.appends(p, ownStream),
			},
			side{
				name: s.random, unit: "events", what: fmt.Sprintf("eventlog.Append, log of %s events, any stream of it", grouped(s.events)),
				run: streams.appends(p, anyStream),
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

// versions are those of a log's streams. A caller has every 64th stream, so that nobody disturbs another.
type versions struct {
	last [][]int64 // by caller
}

func newVersions(streams int) *versions {
	v := &versions{last: make([][]int64, many)}
	for caller := range v.last {
		v.last[caller] = make([]int64, streams/many)
		for i := range v.last[caller] {
			v.last[caller][i] = growthLength
		}
	}
	return v
}

// picker says to which of its streams, of as many as it has, a caller's nth append goes.
type picker func(caller, n, streams int) int

// ownStream is one of a hundred streams, spread evenly.
func ownStream(_, n, streams int) int { return n % streamsEach * max(1, streams/streamsEach) % streams }

// anyStream is any stream, in no order.
func anyStream(caller, n, streams int) int {
	return int(scatter(uint64(n*many+caller)) % uint64(streams))
}

// appends is the run of a side.
func (v *versions) appends(p *product, pick picker) func(context.Context, time.Duration) (result, error) {
	payload := payloadFor(1, customerKey(1))
	return func(ctx context.Context, duration time.Duration) (result, error) {
		head, err := p.log.Head(ctx)
		if err != nil {
			return result{}, err
		}
		return appendBehind(ctx, p, head, duration, func(ctx context.Context, caller, n int) error {
			last := v.last[caller]
			i := pick(caller, n, len(last))
			if err := p.appendOne(ctx, customerStream(customerKey(i*many+caller)), last[i]+1, payload); err != nil {
				return err
			}
			last[i]++
			return nil
		})
	}
}

// scatter mixes a number's bits, so that numbers in order come out in none.
func scatter(n uint64) uint64 {
	n ^= n >> 31
	n *= 0x7fb5d329728ea185
	n ^= n >> 27
	n *= 0x81dadef4bc2dd44d
	return n ^ n>>33
}
