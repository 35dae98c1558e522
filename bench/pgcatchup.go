package main

import (
	"context"
	"fmt"
	"time"
)

// The sides of the contest on catching up over PostgreSQL.
const (
	pgHandCatchUp    = "PostgreSQL catch-up: by hand"
	pgProductCatchUp = "PostgreSQL catch-up: Carillon"
)

// pgCatchUp holds a keyed projection over a long log on PostgreSQL against a loop.
func pgCatchUp(ctx context.Context, w *workspace) (*contest, error) {
	h, err := newPGHistory(ctx, w, shuffled)
	if err != nil {
		return nil, err
	}
	return &contest{
		close: h.close,
		sides: []side{
			{
				name: pgHandCatchUp, unit: "events", what: "one SELECT, encoding/json, fold into a map, write it at the end in one transaction",
				run: func(ctx context.Context, _ time.Duration) (result, error) { return h.handCatchUp(ctx) },
			},
			{
				name: pgProductCatchUp, unit: "events", what: "a keyed projection run by an engine from position 0 until it has passed the head",
				run: func(ctx context.Context, _ time.Duration) (result, error) {
					return h.product.catchUp(ctx, h.history, standardCodec{})
				},
			},
		},
		claims: []claim{{
			work: fmt.Sprintf("PostgreSQL: catch-up of a projection over %s events", grouped(w.events)), against: "scan + decode + fold in one loop",
			floor: 0.85, value: ratio(pgProductCatchUp, pgHandCatchUp),
		}},
	}, nil
}

// handCatchUp folds the whole log into a table that was empty.
func (h *pgHistory) handCatchUp(ctx context.Context) (result, error) {
	const table = "customers"
	if _, err := h.hand.pool.Exec(ctx, "TRUNCATE "+table); err != nil {
		return result{}, err
	}
	watch := startWatch()
	f := newFolded(table)
	if err := h.hand.scan(ctx, f.fold); err != nil {
		return result{}, err
	}
	if err := f.write(ctx, h.hand); err != nil {
		return result{}, err
	}
	got := watch.stop(int64(h.events))
	return got, h.check(ctx, table)
}
