package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
)

func updateChecks() []check {
	return []check{
		{"update", checkUpdate},
		{"update view", checkUpdateView},
		{"put", checkPut},
		{"clear", checkClear},
		{"own bytes", checkOwnBytes},
	}
}

// checkUpdate writes rows and checkpoints, at each durability.
func checkUpdate(ctx context.Context, s *subject) error {
	if err := s.lists(ctx); err != nil {
		return fmt.Errorf("a new store: %w", err)
	}
	if err := errors.Join(s.missing(ctx, model(), "a"), s.holds(ctx, model(), 0)); err != nil {
		return fmt.Errorf("a new store: %w", err)
	}
	checkpoint := carillon.Position(0)
	for _, durability := range []carillon.Durability{carillon.Refoldable, carillon.Flushed, carillon.Refoldable} {
		next := checkpoint + 7
		err := s.store.ReadModels().Update(ctx, model(), durability, func(tx carillon.ReadModelTx) error {
			at, err := tx.Checkpoint()
			if err != nil {
				return err
			}
			if at != checkpoint {
				return fmt.Errorf("an update begins at checkpoint %d, want %d", at, checkpoint)
			}
			return putRows(tx, next, row("a", fmt.Sprint("value ", next), int64(next)), row("b", "same", 0))
		})
		if err != nil {
			return fmt.Errorf("update with durability %d: %w", durability, err)
		}
		checkpoint = next
		if err := s.holds(ctx, model(), checkpoint, row("a", fmt.Sprint("value ", next), int64(next)), row("b", "same", 0)); err != nil {
			return err
		}
		if err := s.lists(ctx, carillon.ModelInfo{Name: "orders", Checkpoint: checkpoint, Rows: 2, Shadow: -1}); err != nil {
			return err
		}
	}
	if err := s.update(ctx, model(), func(carillon.ReadModelTx) error { return nil }); err != nil {
		return fmt.Errorf("an update that does nothing: %w", err)
	}
	// Another model's rows and checkpoint are its own.
	other := carillon.ModelRef{Name: "Orders"}
	if err := s.put(ctx, other, 3, row("a", "another", 1)); err != nil {
		return err
	}
	if err := s.holds(ctx, other, 3, row("a", "another", 1)); err != nil {
		return err
	}
	return s.holds(ctx, model(), checkpoint, row("a", fmt.Sprint("value ", checkpoint), int64(checkpoint)), row("b", "same", 0))
}

// checkUpdateView looks at the model from within an update that changes it.
func checkUpdateView(ctx context.Context, s *subject) error {
	if err := s.put(ctx, model(), 5, row("a", "old", 1), row("b", "old", 1)); err != nil {
		return err
	}
	err := s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
		view := func(moment string, checkpoint carillon.Position, rows ...carillon.Row) error {
			if err := sees(tx, checkpoint, rows, "a", "b", "c"); err != nil {
				return fmt.Errorf("within an update, %s: %w", moment, err)
			}
			return nil
		}
		return inOrder(
			func() error { return view("at its start", 5, row("a", "old", 1), row("b", "old", 1)) },
			func() error { return tx.Put([]carillon.Row{row("a", "new", 2), {Key: "b"}, row("c", "new", 1)}) },
			func() error { return view("after a put", 5, row("a", "new", 2), row("c", "new", 1)) },
			func() error { return tx.Advance(6) },
			func() error { return view("after an advance", 6, row("a", "new", 2), row("c", "new", 1)) },
			func() error { return tx.Put([]carillon.Row{{Key: "c"}, row("b", "again", 3)}) },
			func() error { return view("after another put", 6, row("a", "new", 2), row("b", "again", 3)) },
		)
	})
	if err != nil {
		return err
	}
	return s.holds(ctx, model(), 6, row("a", "new", 2), row("b", "again", 3))
}

// sees demands a checkpoint and these rows, of all keys, of a transaction.
func sees(tx carillon.ReadModelTx, checkpoint carillon.Position, rows []carillon.Row, keys ...string) error {
	at, err := tx.Checkpoint()
	if err != nil || at != checkpoint {
		return fmt.Errorf("checkpoint %d, error %w, want %d", at, errOrNil(err), checkpoint)
	}
	there := make(map[string]carillon.Row, len(rows))
	for _, row := range rows {
		there[row.Key] = row
	}
	for _, key := range keys {
		got, err := tx.Row(key)
		want, found := there[key]
		switch {
		case !found && !errors.Is(err, carillon.ErrNotFound):
			return fmt.Errorf("row %s, error %w, want ErrNotFound", describeRow(got), errOrNil(err))
		case !found:
		case err != nil:
			return fmt.Errorf("row %q: %w", key, err)
		default:
			if err := sameRow(got, want); err != nil {
				return err
			}
		}
	}
	return nil
}

// inOrder calls one function after another until one fails.
func inOrder(calls ...func() error) error {
	for _, call := range calls {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// checkPut puts rows of one key several times at once, and deletes rows.
func checkPut(ctx context.Context, s *subject) error {
	if err := s.put(ctx, model(), 1, row("a", "1", 1), row("b", "1", 1), row("c", "1", 1), row("d", "1", 1)); err != nil {
		return err
	}
	err := s.put(ctx, model(), 2,
		row("a", "2", 2), row("a", "3", 3), // replaced twice
		row("b", "2", 2), carillon.Row{Key: "b"}, // replaced, then deleted
		carillon.Row{Key: "c"}, row("c", "2", 2), // deleted, then made anew
		carillon.Row{Key: "d"}, carillon.Row{Key: "d"}, // deleted twice
		row("e", "1", 1), carillon.Row{Key: "e"}, row("e", "2", 2), // made, deleted, made
		carillon.Row{Key: "f", Version: 4}, // was never there
		row("g", "", 1),                    // a value of no bytes
	)
	if err != nil {
		return err
	}
	want := []carillon.Row{row("a", "3", 3), row("c", "2", 2), row("e", "2", 2), row("g", "", 1)}
	if err := errors.Join(s.holds(ctx, model(), 2, want...), s.missing(ctx, model(), "b", "d", "f")); err != nil {
		return fmt.Errorf("the last of several rows with one key counts: %w", err)
	}
	if err := s.put(ctx, model(), 3); err != nil {
		return fmt.Errorf("put no rows: %w", err)
	}
	many := make([]carillon.Row, 2000)
	for i := range many {
		many[i] = row(fmt.Sprintf("many-%04d", i), fmt.Sprint(i), int64(i))
	}
	if err := s.put(ctx, carillon.ModelRef{Name: "many"}, 1, many...); err != nil {
		return err
	}
	got, err := walkRows(ctx, s.store.ReadModels(), carillon.ModelRef{Name: "many"}, 700)
	if err != nil {
		return err
	}
	return sameRows(got, many)
}

// checkClear clears a model that has rows and a checkpoint, and goes on within the same update and without.
func checkClear(ctx context.Context, s *subject) error {
	other := carillon.ModelRef{Name: "other"}
	if err := errors.Join(s.put(ctx, model(), 9, row("a", "1", 1), row("b", "1", 1)), s.put(ctx, other, 4, row("a", "1", 1))); err != nil {
		return err
	}
	err := s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
		return inOrder(
			func() error { return tx.Put([]carillon.Row{row("c", "1", 1)}) },
			tx.Clear,
			func() error { return sees(tx, 0, nil, "a", "b", "c") },
			func() error { return putRows(tx, 2, row("b", "2", 2)) },
			func() error { return sees(tx, 2, []carillon.Row{row("b", "2", 2)}, "a", "b", "c") },
		)
	})
	if err != nil {
		return fmt.Errorf("clear and put: %w", err)
	}
	if err := errors.Join(s.holds(ctx, model(), 2, row("b", "2", 2)), s.holds(ctx, other, 4, row("a", "1", 1))); err != nil {
		return fmt.Errorf("after a clear and a put: %w", err)
	}
	if err := s.update(ctx, model(), carillon.ReadModelTx.Clear); err != nil {
		return fmt.Errorf("clear: %w", err)
	}
	if err := s.holds(ctx, model(), 0); err != nil {
		return fmt.Errorf("after a clear: %w", err)
	}
	models, err := s.store.ReadModels().Models(ctx)
	if err != nil {
		return err
	}
	for _, info := range models {
		if info.Name == "orders" && (info.Checkpoint != 0 || info.Rows != 0) {
			return fmt.Errorf("after a clear the model is listed as %+v", info)
		}
	}
	return s.holds(ctx, other, 4, row("a", "1", 1))
}

// checkOwnBytes changes the bytes of a value after it was put: a store keeps its own.
func checkOwnBytes(ctx context.Context, s *subject) error {
	value := []byte("written")
	err := s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
		if err := putRows(tx, 1, carillon.Row{Key: "a", Value: value}); err != nil {
			return err
		}
		copy(value, "changed")
		return sees(tx, 1, []carillon.Row{row("a", "written", 0)}, "a")
	})
	if err != nil {
		return err
	}
	return s.holds(ctx, model(), 1, row("a", "written", 0))
}
