package cli

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

// TestOperateAReadModel spoils a row, and has it found, mended, and the read model paused and resumed.
func TestOperateAReadModel(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	store := filepath.Join(directory, "shop.db")
	mustRun(t, "demo", "--dir", directory, "--sample", "50", "--exit", "--addr", "127.0.0.1:0")
	spoil := func() {
		t.Helper()
		opened, err := sqlite.File(store).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		ref := carillon.ModelRef{Name: "totals"}
		rows, err := opened.ReadModels().Rows(t.Context(), ref, "", 1)
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		err = opened.ReadModels().Update(context.WithoutCancel(t.Context()), ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			return tx.Put([]carillon.Row{{Key: rows[0].Key, Value: []byte(`{"orders":1}`)}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(want int) string {
		t.Helper()
		r := run(t, "projection", "rebuild", "totals", "--check", "--store", store)
		if r.status != want {
			t.Errorf("--check ends with status %d, want %d: %s%s", r.status, want, r.stdout, r.stderr)
		}
		return r.stdout
	}
	check(0)
	spoil()
	if out := check(1); !strings.Contains(out, `old  {"orders":1}`) || !strings.Contains(out, "1 rows differ") {
		t.Errorf("--check says %q", out)
	}
	check(1) // it kept the old rows
	key := strings.TrimSpace(strings.SplitN(check(1), "\n", 2)[0])
	mustRun(t, "projection", "reset", "totals", key, "--store", store)
	check(0)
	spoil()
	mustRun(t, "projection", "rebuild", "totals", "--diff", "--store", store)
	check(0)

	mustRun(t, "projection", "pause", "totals", "--store", store)
	mustRun(t, "projection", "resume", "totals", "--store", store)
	if r := run(t, "projection", "pause", "nothing", "--store", store); r.status != 2 || !strings.Contains(r.stderr, `no read model "nothing" here`) {
		t.Errorf("an unknown read model: status %d, %s", r.status, r.stderr)
	}
	if r := mustRun(t, "projection", "list", "--store", store); strings.Contains(r, "carillon.") {
		t.Errorf("the list shows what engines keep for themselves: %s", r)
	}
}
