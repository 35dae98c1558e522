package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

// rowsOf reads all rows of the shop's read models, as text.
func rowsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	err := with(t.Context(), sqlite.ReadOnly(path), func(store carillon.Store) error {
		for _, name := range projectionNames() {
			rows, err := store.ReadModels().Rows(t.Context(), carillon.ModelRef{Name: name}, "", 100_000)
			if err != nil {
				return err
			}
			for _, row := range rows {
				texts[name] += fmt.Sprintf("%s %d %s\n", row.Key, row.Version, row.Value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
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
				return tx.Put([]carillon.Row{{Key: "all"}, {Key: "France"}, {Key: "spoilt", Value: []byte("{}")}})
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
	for name, text := range rowsOf(t, path) {
		if text == want[name] {
			t.Fatalf("%s was not spoilt", name)
		}
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
