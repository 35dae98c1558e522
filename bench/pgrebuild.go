package main

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
)

// The sides of the contest on rebuilding over PostgreSQL.
const (
	pgHandRebuild    = "PostgreSQL rebuild: by hand"
	pgProductRebuild = "PostgreSQL rebuild: Carillon"
)

const (
	// rebuiltRows is how many rows the read model has that is rebuilt.
	rebuiltRows = 10_000
	// upsertEvery is how many events the rebuild by hand folds before it writes the rows they changed.
	upsertEvery = 5000
)

// scattered is the customer of the nth event: any of them, in no order.
func scattered(n int) string { return customerKey(int(scatter(uint64(n)) % rebuiltRows)) }

// pgRebuilds holds rebuilding a keyed projection into a new table, which then takes the old one's place, against the same by hand.
func pgRebuilds(ctx context.Context, w *workspace) (*contest, error) {
	h, err := newPGHistory(ctx, w, scattered)
	if err != nil {
		return nil, err
	}
	return &contest{
		close: h.close,
		sides: []side{
			{
				name: pgHandRebuild, unit: "events",
				what: fmt.Sprintf("one SELECT, encoding/json, fold into a map; every %s events one upsert of the rows they changed, not flushed, with the checkpoint, into a new table that is then renamed", grouped(upsertEvery)),
				run:  func(ctx context.Context, _ time.Duration) (result, error) { return h.handRebuild(ctx) },
			},
			{
				name: pgProductRebuild, unit: "events", what: "Engine.Rebuild of a keyed projection: into a shadow, then the switch",
				run: func(ctx context.Context, _ time.Duration) (result, error) { return h.rebuild(ctx) },
			},
		},
		claims: []claim{{
			work:    fmt.Sprintf("PostgreSQL: rebuild of a keyed projection of %s rows, %s events", grouped(rebuiltRows), grouped(w.events)),
			against: "hand-written batched upsert, coalesced", floor: 0.70, value: ratio(pgProductRebuild, pgHandRebuild),
		}},
	}, nil
}

func (h *pgHistory) handRebuild(ctx context.Context) (result, error) {
	const table = "rebuilt"
	watch := startWatch()
	if _, err := h.hand.pool.Exec(ctx, "CREATE TABLE "+table+" (LIKE customers INCLUDING ALL)"); err != nil {
		return result{}, err
	}
	f := newFolded(table)
	count := 0
	err := h.hand.scan(ctx, func(position int64, typ string, payload []byte) error {
		if err := f.fold(position, typ, payload); err != nil {
			return err
		}
		if count++; count%upsertEvery != 0 {
			return nil
		}
		return f.write(ctx, h.hand)
	})
	if err != nil {
		return result{}, err
	}
	if err := f.write(ctx, h.hand); err != nil {
		return result{}, err
	}
	if _, err := h.hand.pool.Exec(ctx, "BEGIN; DROP TABLE customers; ALTER TABLE "+table+" RENAME TO customers; COMMIT"); err != nil {
		return result{}, err
	}
	got := watch.stop(int64(h.events))
	return got, h.check(ctx, "customers")
}

// rebuild makes the read model anew beside the one that stands, and checks what took its place.
func (h *pgHistory) rebuild(ctx context.Context) (result, error) {
	model := customersModel()
	watch := startWatch()
	engine := projection.NewEngine(h.product.fresh(), h.product.store)
	if err := engine.Add(model); err != nil {
		return result{}, err
	}
	if err := engine.Rebuild(ctx, model.Name()); err != nil {
		return result{}, err
	}
	got := watch.stop(int64(h.events))
	_, at, err := h.product.store.ReadModels().Row(ctx, carillon.ModelRef{Name: model.Name()}, customerKey(0))
	if err == nil && int(at) != h.events {
		err = fmt.Errorf("the rebuilt read model is at position %d of %d", at, h.events)
	}
	if err != nil {
		return result{}, err
	}
	return got, h.product.checkRows(ctx, model, h.history)
}
