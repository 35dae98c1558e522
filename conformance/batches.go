package conformance

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
)

func batchChecks() []check {
	return []check{
		{"batch verdicts", checkBatchVerdicts},
		{"batch guards", checkBatchGuards},
		{"large batch", checkLargeBatch},
	}
}

// checkBatchVerdicts mixes appends of every fate in one batch: each has its own, and the refused leave no trace.
func checkBatchVerdicts(ctx context.Context, s *subject) error {
	event := func() carillon.Message { return s.event("item.counted", "item:1") }
	counted := once(to("item-1", carillon.NoStream(), event()), "count-1", 1)
	return s.play(ctx, newLedger(), []step{
		one("before the batch", accepted, counted),
		{
			name: "a batch of every fate",
			batch: []carillon.Append{
				to("item-2", carillon.NoStream(), event(), event()),
				to("item-1", carillon.NoStream(), event(), event()),
				loose(event()),
				once(loose(event()), "count-1", 2),
				unless(loose(event(), event()), carillon.ByTags("item:1"), 0),
				counted,
				to("item-1", carillon.Exactly(1), event(), event(), event()),
				to("item-3", carillon.Exactly(1), event()),
				once(loose(event()), "count-2", 1),
			},
			want: []outcome{
				accepted, versionConflict, accepted, reused, conditionConflict, duplicate, accepted, versionConflict, accepted,
			},
		},
		{
			name: "a batch with nothing to add",
			batch: []carillon.Append{
				to("item-1", carillon.NoStream(), event()),
				counted,
			},
			want: []outcome{versionConflict, duplicate},
		},
		{
			name:  "a batch that begins with a refusal",
			batch: []carillon.Append{to("item-1", carillon.Exactly(9), event()), loose(event())},
			want:  []outcome{versionConflict, accepted},
		},
		one("behind the batches", accepted, to("item-1", carillon.Exactly(4), event())),
	})
}

// checkBatchGuards has appends of one batch depend on one another.
func checkBatchGuards(ctx context.Context, s *subject) error {
	event := func(tags ...carillon.Tag) carillon.Message { return s.event("seat.taken", tags...) }
	seat := func(tag carillon.Tag) carillon.Append { return unless(loose(event(tag)), carillon.ByTags(tag), 0) }
	return s.play(ctx, newLedger(), []step{
		{
			name: "versions move within a batch",
			batch: []carillon.Append{
				to("row-1", carillon.NoStream(), event(), event()),
				to("row-1", carillon.NoStream(), event()),
				to("row-1", carillon.Exactly(1), event()),
				to("row-1", carillon.Exactly(2), event()),
				to("row-2", carillon.AnyVersion(), event()),
				to("row-1", carillon.AnyVersion(), event()),
				to("row-1", carillon.Exactly(4), event()),
			},
			want: []outcome{accepted, versionConflict, versionConflict, accepted, accepted, accepted, accepted},
		},
		{
			name:  "conditions see what the batch has added",
			batch: []carillon.Append{seat("seat:1"), seat("seat:1"), seat("seat:2"), loose(event("seat:3")), seat("seat:3")},
			want:  []outcome{accepted, conditionConflict, accepted, accepted, conditionConflict},
		},
		{
			name: "but not what it has refused",
			batch: []carillon.Append{
				unless(loose(event("seat:1"), event("seat:4")), carillon.ByTags("seat:1"), 0),
				seat("seat:4"),
				to("row-3", carillon.Exactly(1), event("seat:5")),
				to("row-3", carillon.NoStream(), event()),
				seat("seat:5"),
			},
			want: []outcome{conditionConflict, accepted, versionConflict, accepted, accepted},
		},
		{
			name: "conditions by type see it too",
			batch: []carillon.Append{
				unless(loose(s.event("doors.opened", "hall:1")), carillon.ByTypes("doors.opened"), 0),
				unless(loose(s.event("doors.opened", "hall:2")), carillon.ByTypes("doors.opened"), 0),
				unless(loose(event()), carillon.Query{Items: []carillon.Item{{Types: []string{"doors.opened"}, Tags: []carillon.Tag{"hall:2"}}}}, 0),
			},
			want: []outcome{accepted, conditionConflict, accepted},
		},
		{
			name: "command ids are known within a batch",
			batch: []carillon.Append{
				once(to("row-4", carillon.NoStream(), event(), event()), "take-1", 1),
				once(to("row-4", carillon.NoStream(), event(), event()), "take-1", 1),
				once(loose(event()), "take-1", 2),
				once(to("row-4", carillon.NoStream(), event()), "take-2", 1),
				once(to("row-4", carillon.Exactly(2), event()), "take-2", 2),
				once(to("row-4", carillon.Exactly(2), event()), "take-2", 2),
			},
			want: []outcome{accepted, duplicate, reused, versionConflict, accepted, duplicate},
		},
	})
}

// checkLargeBatch has one batch of many appends, among them many for the same place.
func checkLargeBatch(ctx context.Context, s *subject) error {
	const rivals = 64
	var large step
	large.name = "a batch of rivals"
	for i := range rivals {
		tag := carillon.Tag(fmt.Sprintf("place:%d", i%8))
		want := accepted
		if i >= 8 {
			want = conditionConflict
		}
		large.batch = append(large.batch,
			unless(loose(s.event("place.taken", tag)), carillon.ByTags(tag), 0),
			to("visits", carillon.Exactly(int64(i)), s.event("place.visited")))
		large.want = append(large.want, want, accepted)
	}
	return s.play(ctx, newLedger(), []step{large})
}
