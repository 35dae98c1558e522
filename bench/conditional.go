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

// The streams and tags of the long log. Each caller uses every 64th, so that no condition fails.
const (
	taggedCustomers = 10_000
	taggedProducts  = 4_000
)

// appender does one append of a run: the nth of a caller.
type appender func(ctx context.Context, caller, n int) error

// conditional holds appends that carry a condition over two tags against plain ones, both Carillon's, on copies of one long log.
// Every event of it belongs to a customer's stream and carries that customer's tag and a product's. Plain appends go to those
// streams, the others carry those tags; both are spread over all of the log, and each caller has some for itself, so that nothing
// conflicts.
//
// A condition rests on a read, and it matters how old that is. A caller of the demanded side has read the log as of its previous
// append. One of the cold side knows of a customer and a product what it knew when it last used them, as a decider with many kept
// states does; the writer has to search the index.
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
		start      func(p *product, w *workspace) appender
	}{
		{plainAppend, "eventlog.Append to a stream of the log with an expected version", plainAppends},
		{taggedAppend, "eventlog.Append of an event with two tags of the log, without a condition", taggedAppends},
		{conditionalAppend, "eventlog.Append of an event with two tags of the log and a condition on both, behind the caller's previous append", conditionalAppends},
		{coldAppend, "eventlog.Append of an event with two tags of the log and a condition on both, behind the caller's last use of them", coldAppends},
	} {
		path := w.path("copy.db")
		if err := copyFile(path, built); err != nil {
			return nil, errors.Join(err, logs.close())
		}
		p, err := logs.open(ctx, path)
		if err != nil {
			return nil, errors.Join(err, logs.close())
		}
		c.sides = append(c.sides, side{
			name: s.name, unit: "events", what: s.what, run: appendsBehind(p, s.start(p, w)),
		})
	}
	return c, os.Remove(built)
}

func fillTagged(ctx context.Context, w *workspace, path string) error {
	w.say("  building a log of %s events", grouped(w.events))
	return fillProduct(ctx, path, w.events, taggedOrder)
}

// taggedOrder is the nth event of the long log.
func taggedOrder(n int) (stream string, version int64, message carillon.Message) {
	customer := n % taggedCustomers
	return customerStream(customerKey(customer)), int64(n/taggedCustomers) + 1, carillon.Message{
		Tags:    []carillon.Tag{customerTag(customer), productTag(n / 3 % taggedProducts)},
		Payload: payloadFor(n, customerKey(customer)),
	}
}

func customerTag(n int) carillon.Tag { return carillon.NewTag("customer", customerKey(n)) }

func productTag(n int) carillon.Tag { return carillon.NewTag("product", customerKey(n)) }

// appendsBehind lets many callers append to a log that stays from run to run, and checks what came behind its head.
func appendsBehind(p *product, work appender) func(context.Context, time.Duration) (result, error) {
	return func(ctx context.Context, duration time.Duration) (result, error) {
		head, err := p.log.Head(ctx)
		if err != nil {
			return result{}, err
		}
		got, err := crowd(many, duration, func(caller, n int) error { return work(ctx, caller, n) })
		return got, errors.Join(err, p.check(ctx, head, got.done))
	}
}

func plainAppends(p *product, w *workspace) appender {
	return newVersions(taggedCustomers, w.events/taggedCustomers).appender(p, everyStream)
}

// tagsOf are the tags of a caller's nth append. No other caller uses them.
func tagsOf(caller, n int) []carillon.Tag {
	return []carillon.Tag{
		customerTag(everyStream(caller, n, taggedCustomers/many)*many + caller),
		productTag(everyStream(caller, n/3, taggedProducts/many)*many + caller),
	}
}

func taggedAppends(p *product, _ *workspace) appender {
	payload := payloadFor(1, customerKey(1))
	return func(ctx context.Context, caller, n int) error {
		_, err := p.appendTagged(ctx, tagsOf(caller, n), nil, payload)
		return err
	}
}

func conditionalAppends(p *product, w *workspace) appender {
	payload := payloadFor(1, customerKey(1))
	read := make([]carillon.Position, many) // how far each caller has read the log
	for caller := range read {
		read[caller] = carillon.Position(w.events)
	}
	return func(ctx context.Context, caller, n int) error {
		tags := tagsOf(caller, n)
		appended, err := p.appendTagged(ctx, tags, &carillon.Condition{Query: eitherTag(tags), After: read[caller]}, payload)
		read[caller] = appended.Last
		return err
	}
}

func coldAppends(p *product, w *workspace) appender {
	payload := payloadFor(1, customerKey(1))
	used := make([]map[carillon.Tag]carillon.Position, many) // where each caller last used a tag
	for caller := range used {
		used[caller] = make(map[carillon.Tag]carillon.Position)
	}
	return func(ctx context.Context, caller, n int) error {
		tags := tagsOf(caller, n)
		last := used[caller]
		after := max(carillon.Position(w.events), last[tags[0]], last[tags[1]])
		appended, err := p.appendTagged(ctx, tags, &carillon.Condition{Query: eitherTag(tags), After: after}, payload)
		last[tags[0]], last[tags[1]] = appended.Last, appended.Last
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
