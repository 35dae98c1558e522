package main

import (
	"context"
	"errors"
)

// backing is a database that outboxes and inboxes are in: tables by hand and the product's store, new for each run.
type backing struct {
	name    string
	table   func(ctx context.Context) (handTable, error)
	product func(ctx context.Context, work func(*product) (result, error)) (result, error)
	pg      *pgDatabase // nil on SQLite
}

func (b *backing) close() error {
	if b.pg == nil {
		return nil
	}
	return b.pg.close()
}

func onSQLite(_ context.Context, w *workspace) (*backing, error) {
	return &backing{
		name:  "SQLite",
		table: func(context.Context) (handTable, error) { return openHandTable(w.path("hand.db")) },
		product: func(ctx context.Context, work func(*product) (result, error)) (result, error) {
			p, err := openProduct(ctx, w.path("carillon.db"))
			if err != nil {
				return result{}, err
			}
			got, err := work(p)
			return got, errors.Join(err, p.close())
		},
	}, nil
}

func onPostgreSQL(ctx context.Context, w *workspace) (*backing, error) {
	d, err := openPG(ctx, w)
	if err != nil {
		return nil, err
	}
	return &backing{
		name: "PostgreSQL", pg: d,
		table: func(ctx context.Context) (handTable, error) { return openPGHandTable(ctx, d) },
		product: func(ctx context.Context, work func(*product) (result, error)) (result, error) {
			return d.onProduct(ctx, func(_ string, p *product) (result, error) { return work(p) })
		},
	}, nil
}

// onTable does work with tables by hand.
func (b *backing) onTable(ctx context.Context, work func(handTable) (result, error)) (result, error) {
	table, err := b.table(ctx)
	if err != nil {
		return result{}, err
	}
	got, err := work(table)
	return got, errors.Join(err, table.close())
}
