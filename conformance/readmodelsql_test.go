package conformance

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
)

// replayed is a SQLite store whose updates' statements may be made again, outside of the transaction.
type replayed struct {
	carillon.Store

	again func(failed bool) bool
}

func replayedStatements(again func(failed bool) bool) LogOpener {
	return func(t testing.TB) carillon.Opener {
		source := sqlite.File(filepath.Join(t.TempDir(), "sql.db"))
		return openerFunc(func(ctx context.Context) (carillon.Store, error) {
			store, err := source.Open(ctx)
			return replayed{store, again}, err
		})
	}
}

func (r replayed) ReadModels() carillon.ReadModels {
	return replayedModels{r.Store.ReadModels(), r.again}
}

type replayedModels struct {
	carillon.ReadModels

	again func(failed bool) bool
}

func (m replayedModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) (err error) {
	recorded := &recorder{}
	failed := true
	defer func() {
		if !m.again(failed) {
			return
		}
		for _, statement := range recorded.statements {
			_ = m.ReadModels.Update(ctx, ref, durability, func(tx carillon.ReadModelTx) error { // each on its own; some cannot be made twice
				_, err := tx.(carillon.SQLTx).SQL().ExecContext(ctx, statement)
				return err
			})
		}
	}()
	err = m.ReadModels.Update(ctx, ref, durability, func(tx carillon.ReadModelTx) error {
		return fn(recordedTx{tx, tx.(carillon.SQLTx).SQL(), recorded})
	})
	failed = err != nil
	return err
}

type recorder struct{ statements []string }

type recordedTx struct {
	carillon.ReadModelTx
	carillon.SQLExecutor

	recorded *recorder
}

func (t recordedTx) SQL() carillon.SQLExecutor { return recordingExecutor{t.SQLExecutor, t.recorded} }

type recordingExecutor struct {
	carillon.SQLExecutor

	recorded *recorder
}

func (e recordingExecutor) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	e.recorded.statements = append(e.recorded.statements, query)
	return e.SQLExecutor.ExecContext(ctx, query, args...)
}

func TestBrokenStatementsAreCaught(t *testing.T) {
	t.Parallel()
	for _, broken := range []struct {
		fault string
		again func(failed bool) bool
	}{
		{"keeps statements of an update that failed", func(failed bool) bool { return failed }},
		{"makes statements twice", func(failed bool) bool { return !failed }},
	} {
		t.Run(broken.fault, func(t *testing.T) {
			t.Parallel()
			mustCatch(t, replayedStatements(broken.again), "sql")
		})
	}
}

// TestStatementsOfTheReference is the control: without a fault the check passes.
func TestStatementsOfTheReference(t *testing.T) {
	t.Parallel()
	open := replayedStatements(func(bool) bool { return false })
	if err := readModelCheck(t, "sql").against(t.Context(), t, open, testSettings(t)); err != nil {
		t.Error(err)
	}
}
