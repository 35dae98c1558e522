package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/carillon-go/carillon"
)

// checkSQL writes to a table of its own within updates: the table, the rows and the checkpoint commit together.
func checkSQL(ctx context.Context, s *subject) (err error) {
	table := fmt.Sprintf("conformance_%016x", rand.Uint64()) // the database may be shared
	execute := func(tx carillon.ReadModelTx, statement string) error {
		if _, err := tx.(carillon.SQLTx).SQL().ExecContext(ctx, fmt.Sprintf(statement, table)); err != nil {
			return fmt.Errorf("%s: %w", fmt.Sprintf(statement, table), err)
		}
		return nil
	}
	offered := false
	err = s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
		if _, offered = tx.(carillon.SQLTx); !offered {
			return nil
		}
		return inOrder(
			func() error { return execute(tx, "CREATE TABLE %s (word VARCHAR(20) NOT NULL)") },
			func() error { return execute(tx, "INSERT INTO %s VALUES ('kept')") },
			func() error { return putRows(tx, 1, row("a", "kept", 1)) },
			func() error { return counts(ctx, tx.(carillon.SQLTx).SQL(), table, 1) },
		)
	})
	if err == nil && !offered {
		return skip("the store's transactions are no carillon.SQLTx")
	}
	if err != nil {
		return fmt.Errorf("an update with statements: %w", err)
	}
	defer func() {
		dropping := s.update(ctx, model(), func(tx carillon.ReadModelTx) error { return execute(tx, "DROP TABLE %s") })
		err = errors.Join(err, dropping)
	}()
	lose := func(tx carillon.ReadModelTx) error {
		return inOrder(
			func() error { return execute(tx, "INSERT INTO %s VALUES ('lost')") },
			func() error { return putRows(tx, 99, row("a", "lost", 2)) },
			func() error { return counts(ctx, tx.(carillon.SQLTx).SQL(), table, 2) },
		)
	}
	err = s.update(ctx, model(), func(tx carillon.ReadModelTx) error { return errors.Join(lose(tx), errGivenUp) })
	if !errors.Is(err, errGivenUp) {
		return fmt.Errorf("an update whose fn failed: error %w, want fn's", errOrNil(err))
	}
	err = panicking(func() error {
		return s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
			if err := lose(tx); err != nil {
				return err
			}
			panic(errGivenUp)
		})
	})
	if err == nil {
		return fmt.Errorf("an update whose fn panicked succeeded")
	}
	err = s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
		return errors.Join(lose(tx), execute(tx, "INSERT INTO %s_that_is_not_there VALUES ('lost')"))
	})
	if err == nil {
		return fmt.Errorf("an update succeeded that wrote to a table which is not there")
	}
	if err := s.holds(ctx, model(), 1, row("a", "kept", 1)); err != nil {
		return fmt.Errorf("after updates with statements that failed: %w", err)
	}
	err = s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
		return errors.Join(counts(ctx, tx.(carillon.SQLTx).SQL(), table, 1), execute(tx, "INSERT INTO %s VALUES ('second')"))
	})
	if err != nil {
		return fmt.Errorf("statements of updates that failed: %w", err)
	}
	if reader, ok := s.store.(carillon.SQLReader); ok {
		return counts(ctx, reader.ReadSQL(), table, 2)
	}
	return nil
}

// counts demands so many rows of a table, counted in both ways to ask.
func counts(ctx context.Context, executor carillon.SQLExecutor, table string, want int) error {
	one, all := 0, 0
	if err := executor.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&one); err != nil {
		return fmt.Errorf("count what a table holds: %w", err)
	}
	rows, err := executor.QueryContext(ctx, "SELECT word FROM "+table)
	if err != nil {
		return fmt.Errorf("read a table: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		all++
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read a table: %w", err)
	}
	if one != want || all != want {
		return fmt.Errorf("a table of its own has %d rows, counted one by one %d, want %d", one, all, want)
	}
	return nil
}
