package conformance

import (
	"context"
	"fmt"
	"slices"

	"github.com/carillon-go/carillon"
)

func readChecks() []check {
	return []check{
		{"empty log", checkEmptyLog},
		{"pages", checkPages},
		{"stream pages", checkStreamPages},
	}
}

func checkEmptyLog(ctx context.Context, s *subject) error {
	for _, query := range []carillon.Query{carillon.AllEvents(), carillon.ByTypes("a"), carillon.ByTags("k:1")} {
		if err := s.nothingAfter(ctx, query, 0, 0); err != nil {
			return err
		}
	}
	if events, err := walkStream(ctx, s.log, "nobody", 0, 10); err != nil || len(events) > 0 {
		return fmt.Errorf("a stream nobody wrote to has %d events, error %w", len(events), errOrNil(err))
	}
	return newLedger().verify(ctx, s.log)
}

// nothingAfter demands a page without events that reaches the head.
func (s *subject) nothingAfter(ctx context.Context, query carillon.Query, after, head carillon.Position) error {
	page, err := readPage(ctx, s.log, query, after, 10)
	if err != nil {
		return err
	}
	if len(page.Events) > 0 || page.More || page.Through != max(after, head) {
		return fmt.Errorf("read %s after %d of a log with head %d: %d events, through %d, more: %t; want none, through %d, no more",
			describeQuery(query), after, head, len(page.Events), page.Through, page.More, max(after, head))
	}
	return nil
}

// checkPages reads with every sort of query, from several positions, in pages of many sizes.
func checkPages(ctx context.Context, s *subject) error {
	const head = 40
	l := newLedger()
	for i := 1; i <= head; i++ {
		var tags []carillon.Tag
		if i%2 == 0 {
			tags = append(tags, "even:yes")
		}
		if i%10 == 0 {
			tags = append(tags, "ten:yes")
		}
		typ := "number.small"
		if i > 30 {
			typ = "number.large"
		}
		a := loose(s.event(typ, tags...))
		if i%3 == 0 {
			a = to("threes", carillon.AnyVersion(), a.Events...)
		}
		if err := s.add(ctx, l, a); err != nil {
			return err
		}
	}
	queries := []carillon.Query{
		carillon.AllEvents(),
		carillon.ByTags("even:yes"),
		carillon.ByTags("ten:yes", "even:yes"),
		carillon.ByTypes("number.small"),
		carillon.ByTypes("number.small", "number.large"),
		carillon.ByTypes("number.none"),
		{Items: []carillon.Item{{Types: []string{"number.large"}, Tags: []carillon.Tag{"even:yes"}}, {Tags: []carillon.Tag{"ten:yes"}}}},
	}
	for _, query := range queries {
		for _, after := range []carillon.Position{0, 9, 10, 39} {
			want := l.matching(query, after)
			for _, limit := range []int{1, 3, max(1, len(want)-1), max(1, len(want)), len(want) + 1, 10_000} {
				if err := s.samePages(ctx, query, after, limit, want, head); err != nil {
					return fmt.Errorf("read %s after %d in pages of %d: %w", describeQuery(query), after, limit, err)
				}
			}
		}
		for _, after := range []carillon.Position{head, head + 1, head + 1000} {
			if err := s.nothingAfter(ctx, query, after, head); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *subject) samePages(
	ctx context.Context, query carillon.Query, after carillon.Position, limit int, want []carillon.Recorded, head carillon.Position,
) error {
	got, through, err := walk(ctx, s.log, query, after, limit)
	if err != nil {
		return err
	}
	if err := sameEvents(got, want); err != nil {
		return err
	}
	if through != head {
		return fmt.Errorf("the last page reaches through %d, the head is %d", through, head)
	}
	return nil
}

func checkStreamPages(ctx context.Context, s *subject) error {
	l := newLedger()
	for i := range 20 {
		err := s.add(ctx, l,
			to("busy", carillon.Exactly(int64(2*i)), s.events(2, "thing.done")...),
			to("busy-2", carillon.AnyVersion(), s.event("thing.done")),
			loose(s.event("thing.done")))
		if err != nil {
			return err
		}
	}
	want := l.stream("busy")
	for _, after := range []int64{0, 1, 19, 38, 39, 40, 41, 1000} {
		for _, limit := range []int{1, 2, 3, 39, 40, 41, 10_000} {
			events, err := walkStream(ctx, s.log, "busy", after, limit)
			if err == nil {
				err = sameEvents(events, want[min(int(after), len(want)):])
			}
			if err != nil {
				return fmt.Errorf("after version %d in pages of %d: %w", after, limit, err)
			}
		}
	}
	for _, stream := range []string{"bus", "busy-", "BUSY", "busy-20"} {
		if events, err := walkStream(ctx, s.log, stream, 0, 10); err != nil || len(events) > 0 {
			return fmt.Errorf("stream %q, which nobody wrote to, has %d events, error %w", stream, len(events), errOrNil(err))
		}
	}
	return l.verify(ctx, s.log)
}

// checkStreamNames lists streams, where the log can.
func checkStreamNames(ctx context.Context, s *subject) error {
	lister, ok := s.log.(carillon.StreamLister)
	if !ok {
		return skip("the log is no carillon.StreamLister")
	}
	var want []carillon.StreamInfo
	l := newLedger()
	for i, name := range []string{"order-10", "order-2", "Order-1", "zebra", "äpfel", "order-1", "order", "a b"} {
		if err := s.add(ctx, l, to(name, carillon.NoStream(), s.events(1+i%3, "stream.begun")...), loose(s.event("noted"))); err != nil {
			return err
		}
		want = append(want, carillon.StreamInfo{Name: name, Version: l.version(name)})
	}
	slices.SortFunc(want, func(a, b carillon.StreamInfo) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for _, limit := range []int{1, 2, 3, 8, 100} {
		var got []carillon.StreamInfo
		for after := ""; ; after = got[len(got)-1].Name {
			infos, err := lister.Streams(ctx, after, limit)
			if err != nil {
				return fmt.Errorf("streams after %q, limit %d: %w", after, limit, err)
			}
			if len(infos) > limit {
				return fmt.Errorf("streams after %q, limit %d: %d answered", after, limit, len(infos))
			}
			if len(infos) == 0 {
				break
			}
			got = append(got, infos...)
			if len(got) > len(want) {
				break
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("streams in pages of %d: %v, want %v", limit, got, want)
		}
	}
	infos, err := lister.Streams(ctx, "order-15", 1)
	if err != nil || len(infos) != 1 || infos[0].Name != "order-2" {
		return fmt.Errorf("streams after \"order-15\", limit 1: %v, error %w; want order-2", infos, errOrNil(err))
	}
	return nil
}
