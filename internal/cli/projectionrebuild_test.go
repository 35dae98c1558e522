package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

// rowsOf reads all rows of the shop's read models.
func rowsOf(t *testing.T, path string) map[string][]carillon.Row {
	t.Helper()
	rows := make(map[string][]carillon.Row)
	err := with(t.Context(), sqlite.ReadOnly(path), func(store carillon.Store) (err error) {
		for _, name := range projectionNames() {
			if rows[name], err = store.ReadModels().Rows(t.Context(), carillon.ModelRef{Name: name}, "", 100_000); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestRebuildMakesTheSameRows(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, storeName)
	mustRun(t, "demo", "--dir", directory, "--addr", "127.0.0.1:0", "--sample", "120", "--exit")
	want := rowsOf(t, path)

	// Spoil every read model.
	err := with(t.Context(), sqlite.File(path), func(store carillon.Store) error {
		for _, name := range projectionNames() {
			err := store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: name}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
				return tx.Put([]carillon.Row{{Key: want[name][0].Key}, {Key: "spoilt", Value: []byte("{}")}})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(want, rowsOf(t, path)) {
		t.Fatal("nothing was spoilt")
	}
	for _, name := range projectionNames() {
		out := mustRun(t, "projection", "rebuild", name, "--store", path)
		if !strings.HasPrefix(out, "rebuilt "+name+": 120 events, ") {
			t.Errorf("rebuild %s says %q", name, out)
		}
	}
	if diff := cmp.Diff(want, rowsOf(t, path)); diff != "" {
		t.Errorf("rows, -before +rebuilt:\n%s", diff)
	}
}
