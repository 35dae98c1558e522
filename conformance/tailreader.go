package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/carillon-go/carillon"
)

// readers lists those who follow a tail.
func (t *tail) readers(ctx context.Context) []func() error {
	every := func(int, int) bool { return true }
	odd := func(_, number int) bool { return number%2 == 1 }
	third := func(_, number int) bool { return number%3 == 0 }
	first := func(writer, _ int) bool { return writer == 0 }
	oddOrFirst := func(writer, number int) bool { return odd(writer, number) || first(writer, number) }

	follow := func(name string, query carillon.Query, limit int, wanted func(writer, number int) bool) func() error {
		return func() error {
			if err := t.follow(ctx, query, limit, wanted); err != nil {
				return fmt.Errorf("reader of %s, %d a page: %w", name, limit, err)
			}
			return nil
		}
	}
	either := carillon.Query{Items: []carillon.Item{{Types: []string{tailOdd}}, {Tags: []carillon.Tag{writerTag(0)}}}}
	both := carillon.Query{Items: []carillon.Item{{Types: []string{tailOdd}, Tags: []carillon.Tag{tailThird}}}}
	return []func() error{
		follow("all events", carillon.AllEvents(), 1000, every),
		follow("all events", carillon.AllEvents(), max(7, t.sizes.TailedEvents/20_000), every),
		follow("a type", carillon.ByTypes(tailOdd), 500, odd),
		follow("a tag", carillon.ByTags(tailThird), 100, third),
		follow("a rare tag", carillon.ByTags(writerTag(0)), 10, first),
		follow("a type or a tag", either, 50, oddOrFirst),
		follow("a type and a tag", both, 20, func(writer, number int) bool { return odd(writer, number) && third(writer, number) }),
		func() error { return t.followStream(ctx, 0) },
		func() error { return t.followStream(ctx, tailStreams-1) },
		func() error { return t.watchHead(ctx) },
		func() error { return t.scan(ctx, rand.New(rand.NewPCG(t.seed, 1<<32))) },
	}
}

// until runs read again and again until the writers have ended and one more read found nothing. When it found nothing new, it
// rests until an append begins or ends.
func (t *tail) until(ctx context.Context, read func() (found bool, err error)) error {
	return t.untilAfter(ctx, read, func(activity <-chan struct{}) {
		select {
		case <-activity:
		case <-ctx.Done():
		}
	})
}

// untilAfter is until with another way to rest.
func (t *tail) untilAfter(ctx context.Context, read func() (found bool, err error), rest func(activity <-chan struct{})) error {
	for {
		activity := t.activity.listen() // before the question below, whose answer changes before the last ring
		appending := t.appending.Load()
		found, err := read()
		if err != nil || !found && !appending {
			return err
		}
		if !found {
			rest(activity)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// follow reads pages from the beginning and demands every wanted event of every writer, once and in order.
func (t *tail) follow(ctx context.Context, query carillon.Query, limit int, wanted func(writer, number int) bool) error {
	all := len(query.Items) == 0
	next := make([]int, t.sizes.Writers)
	skipTo := func(writer int) {
		for next[writer] < t.perWriter && !wanted(writer, next[writer]) {
			next[writer]++
		}
	}
	for writer := range next {
		skipTo(writer)
	}
	var after carillon.Position
	var last mark
	err := t.until(ctx, func() (bool, error) {
		page, err := readPage(ctx, t.log, query, after, limit)
		if err != nil {
			return false, err
		}
		for i := range page.Events {
			event := &page.Events[i]
			m, err := markOf(event)
			switch {
			case err != nil:
				return false, err
			case m.writer >= len(next) || m.number != next[m.writer]:
				return false, fmt.Errorf("position %d holds event %d of writer %d: skipped, repeated or out of order", event.Position, m.number, m.writer)
			case all && last.place != last.size && (m.writer != last.writer || m.place != last.place+1):
				return false, fmt.Errorf("position %d stands inside another batch", event.Position)
			}
			next[m.writer]++
			skipTo(m.writer)
			last = m
		}
		if all && !page.More && last.place != last.size {
			return false, fmt.Errorf("the log ends inside a batch, at event %d of %d, position %d", last.place, last.size, page.Through)
		}
		after = page.Through
		return page.More || len(page.Events) > 0, nil
	})
	if err != nil {
		return err
	}
	for writer, number := range next {
		if number < t.perWriter {
			return fmt.Errorf("event %d of writer %d never came", number, writer)
		}
	}
	return nil
}

// followStream reads a stream from the beginning and demands dense versions, and all that was appended.
func (t *tail) followStream(ctx context.Context, stream int) error {
	var version int64
	err := t.until(ctx, func() (bool, error) {
		events, err := readStream(ctx, t.log, tailStream(stream), version, 100)
		version += int64(len(events))
		return len(events) > 0, err
	})
	if want := t.streamed[stream].Load(); err == nil && version != want {
		err = fmt.Errorf("%d events of stream %q, appended were %d", version, tailStream(stream), want)
	}
	return err
}

// watchHead demands that the head never falls, that its event can be read, and that it ends a batch. It does not rest, so that
// it looks in the middle of commits too.
func (t *tail) watchHead(ctx context.Context) error {
	var last carillon.Position
	look := func() (bool, error) {
		head, err := t.log.Head(ctx)
		switch {
		case err != nil:
			return false, fmt.Errorf("head: %w", err)
		case head < last:
			return false, fmt.Errorf("the head was %d and is %d", last, head)
		case head == last:
			return false, nil
		}
		last = head
		page, err := readPage(ctx, t.log, carillon.AllEvents(), head-1, 1)
		if err != nil {
			return false, err
		}
		if len(page.Events) == 0 {
			return false, fmt.Errorf("the head is %d, but nothing is to be read there", head)
		}
		m, err := markOf(&page.Events[0])
		if err == nil && m.place != m.size {
			err = fmt.Errorf("the head %d is inside a batch, at event %d of %d", head, m.place, m.size)
		}
		return true, err
	}
	return t.untilAfter(ctx, look, func(<-chan struct{}) { runtime.Gosched() })
}

// scan reads from anywhere and demands that nothing is missing up to what the head was before.
func (t *tail) scan(ctx context.Context, random *rand.Rand) error {
	var seen carillon.Position
	return t.until(ctx, func() (bool, error) {
		head, err := t.log.Head(ctx)
		if err != nil || head == seen {
			return false, err
		}
		if head < seen {
			return false, fmt.Errorf("the head was %d and is %d", seen, head)
		}
		seen = head
		after := carillon.Position(random.Int64N(int64(head)))
		limit := int(head - after)
		page, err := readPage(ctx, t.log, carillon.AllEvents(), after, limit)
		if err == nil && page.Through < head && !page.More {
			err = fmt.Errorf("a page after %d ends the log at %d, the head was %d before", after, page.Through, head)
		}
		return true, err
	})
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
