package sqlite

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/carillon-go/carillon"
)

// An update that panics leaves no transaction behind: what comes next works, and sees nothing of it.
func TestAnUpdateThatPanicsIsRolledBack(t *testing.T) {
	t.Parallel()
	store := openFile(t, File(filepath.Join(t.TempDir(), "panic.db")))
	model := carillon.ModelRef{Name: "m"}
	func() {
		defer func() {
			if cause := recover(); cause == nil {
				t.Error("the panic did not reach the caller")
			}
		}()
		_ = store.ReadModels().Update(t.Context(), model, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
			if err := tx.Put([]carillon.Row{{Key: "k", Value: []byte("v")}}); err != nil {
				return err
			}
			panic("in the middle")
		})
	}()
	if err := appendOne(t.Context(), store.Log(), "s", "after"); err != nil {
		t.Errorf("append after the panic: %v", err)
	}
	if _, _, err := store.ReadModels().Row(t.Context(), model, "k"); !errors.Is(err, carillon.ErrNotFound) {
		t.Errorf("the row of the panicked update: got %v, want %v", err, carillon.ErrNotFound)
	}
}
