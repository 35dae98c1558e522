package projection_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

func TestViewOfManyRows(t *testing.T) {
	t.Parallel()
	for _, count := range []int{0, 1, 1000, 2500} { // none, one, a page, two pages and a half
		synctest.Test(t, func(t *testing.T) {
			model := balances()
			h := newHouse(t, model)
			var last carillon.Position
			for i := range count {
				last = h.append(t, fmt.Sprint("account-", i), "account.credited", credited{Pence: int64(i)})
			}
			h.run(t)
			h.wait(t, "balances", last)
			view := projection.NewView(model, h.ReadModels(), codec.JSON())
			var keys []string
			for entry, err := range view.All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if entry.Version != 1 || fmt.Sprint(entry.State.Pence) != entry.Key {
					t.Errorf("entry %+v", entry)
				}
				keys = append(keys, entry.Key)
			}
			if len(keys) != count || !slices.IsSorted(keys) || len(slices.Compact(keys)) != count {
				t.Errorf("%d rows, want %d in order of key", len(keys), count)
			}
			if got, err := view.Count(t.Context()); got != int64(count) || err != nil {
				t.Errorf("count %d, error %v, want %d", got, err, count)
			}
			seen := 0
			for _, err := range view.All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if seen++; seen == 2 {
					break
				}
			}
			if seen != min(count, 2) {
				t.Errorf("%d rows before leaving, want %d", seen, min(count, 2))
			}
		})
	}
}

func TestViewOfNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	view := projection.NewView(balances(), h.ReadModels(), codec.JSON())
	if got, err := view.Count(t.Context()); got != 0 || err != nil {
		t.Errorf("count %d, error %v of a read model the store does not know", got, err)
	}
	if _, err := view.Get(t.Context(), "1"); !errors.Is(err, carillon.ErrNotFound) {
		t.Errorf("a row of a read model the store does not know: %v", err)
	}
	err := h.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "balances"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		return tx.Put([]carillon.Row{{Key: "1", Value: []byte(`{"Pence":"a lot"}`)}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := view.Get(t.Context(), "1"); err == nil || !strings.Contains(err.Error(), "rebuild it if the type of its state has changed") {
		t.Errorf("a row of another shape: %v", err)
	}
	if err := h.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range view.All(t.Context()) {
		if !errors.Is(err, carillon.ErrClosed) {
			t.Errorf("rows of a closed store: %v", err)
		}
	}
	if _, err := view.Count(t.Context()); !errors.Is(err, carillon.ErrClosed) {
		t.Errorf("count of a closed store: %v", err)
	}
}
