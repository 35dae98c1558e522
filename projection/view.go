package projection

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/carillon-go/carillon"
)

// View reads the rows of a keyed read model. It is safe for concurrent use.
type View[S any] struct {
	models carillon.ReadModels
	codec  carillon.Codec
	ref    carillon.ModelRef
}

// NewView makes a view of a model's live rows.
func NewView[S any](model *Model[S], models carillon.ReadModels, codec carillon.Codec) View[S] {
	return View[S]{models: models, codec: codec, ref: carillon.ModelRef{Name: model.name}}
}

// Beside makes a view of another model of the same store.
func Beside[S, O any](view View[S], model *Model[O]) View[O] {
	return NewView(model, view.models, view.codec)
}

// Entry is a row with its key.
type Entry[S any] struct {
	Key   string
	State S
	// Version is the version of the entity's stream, 0 when the row is not an entity's.
	Version int64
}

// Get returns the row of a key, or [carillon.ErrNotFound].
func (v View[S]) Get(ctx context.Context, key string) (Entry[S], error) {
	row, _, err := v.models.Row(ctx, v.ref, key)
	if errors.Is(err, carillon.ErrNotFound) {
		return Entry[S]{}, fmt.Errorf("%s %q: %w", v.ref.Name, key, carillon.ErrNotFound)
	}
	if err != nil {
		return Entry[S]{}, err
	}
	return v.entry(row)
}

func (v View[S]) entry(row carillon.Row) (Entry[S], error) {
	entry := Entry[S]{Key: row.Key, Version: row.Version}
	if err := v.codec.Decode(row.Value, &entry.State); err != nil {
		return entry, fmt.Errorf("row %q of read model %q: %w: rebuild it if the type of its state has changed", row.Key, v.ref.Name, err)
	}
	return entry, nil
}

// rowsPage is how many rows are read at a time.
const rowsPage = 1000

// All yields every row in order of key. The rows of one page are of one moment; the last yield may carry an error.
func (v View[S]) All(ctx context.Context) iter.Seq2[Entry[S], error] {
	return func(yield func(Entry[S], error) bool) {
		for after := ""; ; {
			rows, err := v.models.Rows(ctx, v.ref, after, rowsPage)
			if err != nil {
				yield(Entry[S]{}, err)
				return
			}
			for _, row := range rows {
				entry, err := v.entry(row)
				if !yield(entry, err) || err != nil {
					return
				}
				after = row.Key
			}
			if len(rows) < rowsPage {
				return
			}
		}
	}
}

// Count returns how many rows there are.
func (v View[S]) Count(ctx context.Context) (int64, error) {
	models, err := v.models.Models(ctx)
	for _, model := range models {
		if model.Name == v.ref.Name {
			return model.Rows, err
		}
	}
	return 0, err
}
