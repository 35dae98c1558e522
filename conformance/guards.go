package conformance

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
)

func guardChecks() []check {
	return []check{
		{"version guard", checkVersionGuard},
		{"condition guard", checkConditionGuard},
		{"combined guards", checkCombinedGuards},
		{"guards and queries", checkGuardsAndQueries},
	}
}

func checkVersionGuard(ctx context.Context, s *subject) error {
	event := func() carillon.Message { return s.event("order.placed") }
	return s.play(ctx, newLedger(), []step{
		one("a version of a stream nobody wrote to", versionConflict, to("order-1", carillon.Exactly(1), event())),
		one("no stream", accepted, to("order-1", carillon.NoStream(), event())),
		one("no stream again", versionConflict, to("order-1", carillon.NoStream(), event())),
		one("three events behind the first", accepted, to("order-1", carillon.Exactly(1), s.events(3, "order.changed")...)),
		one("a stale version", versionConflict, to("order-1", carillon.Exactly(1), event())),
		one("one version behind", versionConflict, to("order-1", carillon.Exactly(3), event())),
		one("one version ahead", versionConflict, to("order-1", carillon.Exactly(5), event(), event())),
		one("an event without a stream", accepted, loose(event())),
		one("another stream", accepted, to("order-2", carillon.NoStream(), event(), event())),
		one("the other stream's version", versionConflict, to("order-1", carillon.Exactly(2), event())),
		one("the log's position for a version", versionConflict, to("order-1", carillon.Exactly(7), event())),
		one("any version", accepted, to("order-1", carillon.AnyVersion(), event())),
		one("the version behind any", accepted, to("order-1", carillon.Exactly(5), event())),
		one("any version of a new stream", accepted, to("order-3", carillon.AnyVersion(), event())),
		one("no stream after any version", versionConflict, to("order-3", carillon.NoStream(), event())),
	})
}

func checkConditionGuard(ctx context.Context, s *subject) error {
	const (
		placed, paid, shipped = "order.placed", "order.paid", "order.shipped"

		order1, order2         carillon.Tag = "order:1", "order:2"
		customer1, customer2   carillon.Tag = "customer:1", "customer:2"
		nobody, orderOneButTen carillon.Tag = "customer:3", "order:10"
	)
	l := newLedger()
	err := s.add(ctx, l,
		to("order-1", carillon.NoStream(), s.event(placed, order1, customer1)),                   // 1
		to("order-1", carillon.Exactly(1), s.event(paid, customer1, order1)),                     // 2
		loose(s.event(placed, order2, customer1), s.event(placed, orderOneButTen, customer2)),    // 3, 4
		to("order-2", carillon.AnyVersion(), s.event(shipped, order2), s.event("audit.started")), // 5, 6
	)
	if err != nil {
		return err
	}
	// noted events match none of the queries below but the one for all events.
	noted := func(query carillon.Query, after carillon.Position) carillon.Append {
		return unless(loose(s.event("noted")), query, after)
	}
	all, tags, types := carillon.AllEvents(), carillon.ByTags, carillon.ByTypes
	item := func(typ string, tags ...carillon.Tag) carillon.Item {
		return carillon.Item{Types: []string{typ}, Tags: tags}
	}
	items := func(items ...carillon.Item) carillon.Query { return carillon.Query{Items: items} }
	return s.play(ctx, l, []step{
		one("no event after the head", accepted, noted(all, 6)),
		one("an event after the former head", conditionConflict, noted(all, 6)),
		one("an event in the log", conditionConflict, noted(all, 0)),
		one("after is exclusive: the only match stands at it", accepted, noted(types(paid), 2)),
		one("after is exclusive: the only match stands behind it", conditionConflict, noted(types(paid), 1)),
		one("a type nobody has appended", accepted, noted(types("order.cancelled"), 0)),
		one("one of two types", conditionConflict, noted(types("order.cancelled", shipped), 4)),
		one("neither of two types", accepted, noted(types("order.cancelled", paid), 2)),
		one("a tag", conditionConflict, noted(tags(order2), 3)),
		one("a tag nobody carries", accepted, noted(tags(nobody), 0)),
		one("a tag that another begins with", accepted, noted(tags(order1), 2)),
		one("both tags on one event", conditionConflict, noted(tags(order1, customer1), 1)),
		one("both tags in the other order", conditionConflict, noted(tags(customer1, order1), 0)),
		one("both tags, but never on one event", accepted, noted(tags(order1, customer2), 0)),
		one("one tag carried, one unknown", accepted, noted(tags(order1, nobody), 0)),
		one("type and tag on one event", conditionConflict, noted(items(item(placed, order2)), 2)),
		one("type and tag on different events", accepted, noted(items(item(paid, order2)), 0)),
		one("type and two tags", conditionConflict, noted(items(item(paid, order1, customer1)), 0)),
		one("one of two items", conditionConflict, noted(items(item(paid, order2), item(shipped, order2)), 0)),
		one("neither of two items", accepted, noted(items(item(paid, order2), item(shipped, order1)), 0)),
		one("types crossed between items", accepted, noted(items(item(shipped, customer1), item(placed, order1)), 1)),
		one("the events appended do not meet their own condition", accepted, unless(loose(s.event("seat.taken", "seat:1")), tags("seat:1"), 0)),
		one("but the next append meets them", conditionConflict, unless(loose(s.event("seat.taken", "seat:1")), tags("seat:1"), 0)),
	})
}

// checkCombinedGuards gives one append every combination of guards that hold and that do not.
func checkCombinedGuards(ctx context.Context, s *subject) error {
	l := newLedger()
	setup := []carillon.Append{
		to("account-1", carillon.NoStream(), s.events(2, "account.opened", "account:1")...),
		once(loose(s.event("money.moved", "account:1", "account:2")), "move-1", 1),
	}
	if err := s.add(ctx, l, setup...); err != nil {
		return err
	}
	commands := []struct {
		name   string
		digest byte
		want   outcome
	}{{"fresh command", 0, accepted}, {"command again", 1, duplicate}, {"command id reused", 2, reused}}
	var steps []step
	serial := 0
	for _, command := range commands {
		for _, versionHolds := range []bool{false, true} {
			for _, conditionHolds := range []bool{false, true} {
				serial++
				want := command.want
				version, after := int64(2), carillon.Position(3)
				if !conditionHolds {
					after = 2
					if want == accepted {
						want = conditionConflict
					}
				}
				if !versionHolds {
					version = 1
					if command.want == accepted {
						want = versionConflict
					}
				}
				a := unless(to("account-1", carillon.Exactly(version), s.event("noted")), carillon.ByTags("account:2"), after)
				if command.digest == 0 {
					a = once(a, fmt.Sprintf("move-%d", 1+serial), 9)
				} else {
					a = once(a, "move-1", command.digest)
				}
				name := fmt.Sprintf("%s, version holds: %t, condition holds: %t", command.name, versionHolds, conditionHolds)
				steps = append(steps, one(name, want, a))
			}
		}
	}
	retry := unless(to("account-1", carillon.Exactly(3), s.event("noted")), carillon.ByTags("account:2"), 3)
	return s.play(ctx, l, append(steps,
		one("the command refused for its version, with other content", accepted, once(retry, "move-2", 7)),
		one("that command again", duplicate, once(retry, "move-2", 7)),
	))
}

// checkGuardsAndQueries asks every query of every position twice: as a read and as a condition. Both must see the same events.
func checkGuardsAndQueries(ctx context.Context, s *subject) error {
	l := newLedger()
	types := []string{"a", "b", "c"}
	tags := []carillon.Tag{"k:1", "k:2", "l:1"}
	for i := range 24 {
		var own []carillon.Tag
		for j, tag := range tags {
			if i>>j&1 == 1 {
				own = append(own, tag)
			}
		}
		if err := s.add(ctx, l, loose(s.event(types[i%len(types)], own...))); err != nil {
			return err
		}
	}
	matched := l.head()
	if err := s.add(ctx, l, loose(s.events(12, "quiet")...)); err != nil {
		return err
	}
	for _, query := range s.queries(types, tags) {
		for after := carillon.Position(0); after <= matched; after += carillon.Position(1 + s.random.IntN(3)) {
			limit := 1 + s.random.IntN(10)
			if err := s.samePages(ctx, query, after, limit, l.matching(query, after), l.head()); err != nil {
				return fmt.Errorf("read %s after %d in pages of %d: %w", describeQuery(query), after, limit, err)
			}
			if err := s.add(ctx, l, unless(loose(s.event("probe")), query, after)); err != nil {
				return err
			}
		}
	}
	return l.verify(ctx, s.log)
}

// queries lists one query of every shape over three types and three tags, and some random ones.
func (s *subject) queries(types []string, tags []carillon.Tag) []carillon.Query {
	item := func(types []string, tags ...carillon.Tag) carillon.Item {
		return carillon.Item{Types: types, Tags: tags}
	}
	items := func(items ...carillon.Item) carillon.Query { return carillon.Query{Items: items} }
	queries := []carillon.Query{
		carillon.AllEvents(),
		items(item(types[:1])),
		items(item(types[1:])),
		items(item(nil, tags[0])),
		items(item(nil, tags[1], tags[0])),
		items(item(nil, tags...)),
		items(item(types[2:], tags[2])),
		items(item(types[:2], tags[0], tags[1])),
		items(item(types[:1], tags[0]), item(types[1:2], tags[2])),
		items(item(types[:1], tags[0], tags[1]), item(types[:1], tags[0], tags[2])),
		items(item(types[2:]), item(nil, tags...)),
		items(item(types[:1], tags...), item(types[1:2], tags[1], tags[2]), item(types, tags[2], tags[0])),
	}
	for range 4 {
		queries = append(queries, randomQuery(s.random, types, tags))
	}
	return queries
}
