package main

import (
	"context"
	"errors"
	"time"
)

// The sides of the contest on commands over PostgreSQL.
const (
	pgHandCommandMany    = "PostgreSQL command, 64 callers: by hand"
	pgProductCommandMany = "PostgreSQL command, 64 callers: Carillon"
)

// pgCommands holds commands end to end over PostgreSQL, with their states in memory, against the same by hand. Every run starts
// with empty tables.
func pgCommands(ctx context.Context, w *workspace) (*contest, error) {
	d, err := openPG(ctx, w)
	if err != nil {
		return nil, err
	}
	return &contest{
		close: d.close,
		sides: []side{
			{
				name: pgHandCommandMany, unit: "commands",
				what: "states in a map, decide, encode as JSON, append with the expected version; group commit through a channel",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return pgHandCommands(ctx, d, duration)
				},
			},
			{
				name: pgProductCommandMany, unit: "commands", what: "cqrs.Bus, a decider of package sourcing with its hot states, eventlog",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return pgProductCommands(ctx, d, duration)
				},
			},
		},
		claims: []claim{{
			work: "PostgreSQL: command end to end, state cached, 64 callers", against: "the same by hand, group commit", floor: 0.75,
			value: ratio(pgProductCommandMany, pgHandCommandMany),
		}},
	}, nil
}

func pgHandCommands(ctx context.Context, d *pgDatabase, duration time.Duration) (result, error) {
	return d.onHand(ctx, 1, func(l *pgHandLog) (result, error) {
		group := startHandGroup((&pgHandWriter{log: l}).write)
		got, all, err := (&handShop{append: group.appender(), states: make(map[string]handState)}).run(duration, many)
		group.close()
		return got, errors.Join(err, l.check(ctx, all))
	})
}

func pgProductCommands(ctx context.Context, d *pgDatabase, duration time.Duration) (result, error) {
	schema := d.name()
	got, err := rival{start: func(ctx context.Context, _ *workspace) (contestant, error) {
		p, err := d.product(ctx, schema)
		if err != nil {
			return nil, err
		}
		return serve(p, 0)
	}}.run(ctx, nil, duration, audienceOf(many))
	return got, errors.Join(err, d.drop(schema))
}
