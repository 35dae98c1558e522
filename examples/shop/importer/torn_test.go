package importer_test

import (
	"context"
	"time"

	"github.com/carillon-go/carillon"
)

// tornOpener opens a store that breaks a promise: it commits rows first and the checkpoint a moment later.
type tornOpener struct{ carillon.Opener }

func (o tornOpener) Open(ctx context.Context) (carillon.Store, error) {
	store, err := o.Opener.Open(ctx)
	return tornStore{store}, err
}

type tornStore struct{ carillon.Store }

func (s tornStore) ReadModels() carillon.ReadModels { return tornModels{s.Store.ReadModels()} }

type tornModels struct{ carillon.ReadModels }

func (m tornModels) Update(ctx context.Context, ref carillon.ModelRef, d carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	torn := &tornTx{}
	err := m.ReadModels.Update(ctx, ref, d, func(tx carillon.ReadModelTx) error {
		torn.ReadModelTx = tx
		return fn(torn)
	})
	if err != nil || !torn.moved {
		return err
	}
	<-time.After(5 * time.Millisecond)
	return m.ReadModels.Update(ctx, ref, d, func(tx carillon.ReadModelTx) error { return tx.Advance(torn.to) })
}

// tornTx keeps the checkpoint for later.
type tornTx struct {
	carillon.ReadModelTx
	moved bool
	to    carillon.Position
}

func (t *tornTx) Advance(to carillon.Position) error {
	t.moved, t.to = true, to
	return nil
}
