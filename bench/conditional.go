package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/carillon-go/carillon"
)

// The sides of the contest on conditional appends.
const (
	plainAppend       = "plain append, 64 callers, long log"
	taggedAppend      = "tagged append, 64 callers, long log"
	conditionalAppend = "conditional append, 64 callers, long log"
	coldAppend        = "conditional append on an old read, 64 callers, long log"
)

// The tags of the long log. Each caller uses every 64th, so that no condition fails.
const (
	taggedCustomers = 10_000
	taggedProducts  = 4_000
)

// appender does one append of a run: the nth of a caller.
type appender func(ctx context.Context, caller, n int) error

// conditional holds appends that carry a condition over two tags against plain ones, both Carillon's, on copies of one long log
// in which every event carries two tags.
//
// A condition rests on a read, and it matters how old that is. A caller of the demanded side has read the log as of its previous
// append, as a decider with a kept state has. A caller of the cold side decides on what stood in the log when the run began.
func conditional(ctx context.Context, w *workspace) (*contest, error) {
	built := w.path("built.db")
	if err := fillTagged(ctx, w, built); err != nil {
		return nil, err
	}
	const against = "plain append, 64 callers, same log"
	logs := &openLogs{}
	c := &contest{close: logs.close, claims: []claim{
		{
			work:    fmt.Sprintf("conditional append (DCB, two tags), 64 callers, log of %s events", grouped(w.events)),
			against: against, floor: 0.60, value: ratio(conditionalAppend, plainAppend),
		},
		{work: "… decided on an old read", against: against, value: ratio(coldAppend, plainAppend)},
		{work: "… two tags and no condition", against: against, value: ratio(taggedAppend, plainAppend)},
	}}
	for _, s := range []struct {
		name, what string
		start      func(p *product, head carillon.Position, run int) appender
	}{
		{plainAppend, "eventlog.Append to a stream with an expected version", plainAppends},
		{taggedAppend, "eventlog.Append of an event with two tags, without a condition", taggedAppends},
		{conditionalAppend, "eventlog.Append of an event with two tags and a condition on both, behind the caller's previous append", conditionalAppends},
		{coldAppend, "eventlog.Append of an event with two tags and a condition on both, behind the head the log had when the run began", coldAppends},
	} {
		path := w.path("copy.db")
		if err := copyFile(path, built); err != nil {
			return nil, errors.Join(err, logs.close())
		}
		p, err := logs.open(ctx, path)
		if err != nil {
			return nil, errors.Join(err, logs.close())
		}
		runs := 0
		c.sides = append(c.sides, side{name: s.name, unit: "events", what: s.what, run: func(ctx context.Context, duration time.Duration) (result, error) {
			head, err := p.log.Head(ctx)
			if err != nil {
				return result{}, err
			}
			runs++
			return appendBehind(ctx, p, head, duration, s.start(p, head, runs))
		}})
	}
	return c, os.Remove(built)
}

func fillTagged(ctx context.Context, w *workspace, path string) error {
	w.say("  building a log of %s events", grouped(w.events))
	return fillProduct(ctx, path, w.events, func(n int) (string, int64, carillon.Message) {
		customer := n % taggedCustomers
		return customerStream(customerKey(customer)), int64(n/taggedCustomers) + 1, carillon.Message{
			Tags:    []carillon.Tag{customerTag(customer), productTag(n / 3 % taggedProducts)},
			Payload: payloadFor(n, customerKey(customer)),
		}
	})
}

func customerTag(n int) carillon.Tag { return carillon.NewTag("customer", customerKey(n)) }

func productTag(n int) carillon.Tag { return carillon.NewTag("product", customerKey(n)) }

// appendBehind lets many callers append to a log that stays from run to run, and checks what came behind its head.
func appendBehind(ctx context.Context, p *product, head carillon.Position, duration time.Duration, work appender) (result, error) {
	got, err := crowd(many, duration, func(caller, n int) error { return work(ctx, caller, n) })
	return got, errors.Join(err, p.check(ctx, head, got.done))
}

func plainAppends(p *product, _ carillon.Position, run int) appender {
	payload := payloadFor(1, customerKey(1))
	streams := make([][]string, many)
	for caller := range streams {
		streams[caller] = make([]string, streamsEach)
		for i := range streams[caller] {
			streams[caller][i] = fmt.Sprintf("customer-%d-%02d-%04d", run, caller, i)
		}
	}
	return func(ctx context.Context, caller, n int) error {
		stream, version := nth(streams[caller], n)
		return p.appendOne(ctx, stream, version, payload)
	}
}

// callersTags are tags of customers and products the log knows, which no other caller uses.
func callersTags(caller, n int) []carillon.Tag {
	return []carillon.Tag{
		customerTag(n%(taggedCustomers/many)*many + caller),
		productTag(n/3%(taggedProducts/many)*many + caller),
	}
}

func taggedAppends(p *product, _ carillon.Position, _ int) appender {
	payload := payloadFor(1, customerKey(1))
	return func(ctx context.Context, caller, n int) error {
		_, err := p.appendTagged(ctx, callersTags(caller, n), nil, payload)
		return err
	}
}

func conditionalAppends(p *product, head carillon.Position, _ int) appender {
	payload := payloadFor(1, customerKey(1))
	read := make([]carillon.Position, many) // how far each caller has read the log
	for caller := range read {
		read[caller] = head
	}
	return func(ctx context.Context, caller, n int) error {
		tags := callersTags(caller, n)
		appended, err := p.appendTagged(ctx, tags, &carillon.Condition{Query: eitherTag(tags), After: read[caller]}, payload)
		read[caller] = appended.Last
		return err
	}
}

func coldAppends(p *product, head carillon.Position, run int) appender {
	payload := payloadFor(1, customerKey(1))
	return func(ctx context.Context, caller, n int) error {
		// Tags of their own for each append: with those of the log the second use of one would conflict.
		fresh := fmt.Sprintf("%d-%02d-%06d", run, caller, n)
		tags := []carillon.Tag{carillon.NewTag("customer", fresh), carillon.NewTag("product", fresh)}
		_, err := p.appendTagged(ctx, tags, &carillon.Condition{Query: eitherTag(tags), After: head}, payload)
		return err
	}
}

// eitherTag matches orders that carry any of the tags, as the boundary of a decider does.
func eitherTag(tags []carillon.Tag) carillon.Query {
	items := make([]carillon.Item, len(tags))
	for i, tag := range tags {
		items[i] = carillon.Item{Types: []string{orderPlaced}, Tags: []carillon.Tag{tag}}
	}
	return carillon.Query{Items: items}
}
