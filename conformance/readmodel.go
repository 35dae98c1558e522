package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
)

// ReadModel tests the read models of an adapter's store, its snapshots, and what it offers beside them: dead letters, leases, and
// within the transaction of an update statements, an outbox and an inbox. It returns when all checks have ended. Of the options it
// knows [WithSizes], [WithSeed] and [WithoutReopen].
func ReadModel(t *testing.T, open LogOpener, options ...LogOption) {
	t.Helper()
	perform(t, "ReadModel", readModelChecks(), open, options)
}

// readModelChecks lists what [ReadModel] checks.
func readModelChecks() []check {
	return slices.Concat(
		updateChecks(),
		interruptedUpdateChecks(),
		updateRaceChecks(),
		rowChecks(),
		shadowChecks(),
		modelLifecycleChecks(),
		[]check{
			{"snapshots", checkSnapshots},
			{"segments", checkSegments},
			{"generations", checkGenerations},
			{"sql", checkSQL},
		},
		leaseChecks(),
		fenceChecks(),
		parkingChecks(),
		parkedKeyChecks(),
		outboxChecks(),
		inboxChecks(),
		shadowLetterChecks(),
	)
}

// model is the read model most checks use.
func model() carillon.ModelRef { return carillon.ModelRef{Name: "orders"} }

// row is a row whose value is a text.
func row(key, value string, version int64) carillon.Row {
	return carillon.Row{Key: key, Value: []byte(value), Version: version}
}

// update runs fn in an update that the next start may find lost, which no check notices.
func (s *subject) update(ctx context.Context, ref carillon.ModelRef, fn func(tx carillon.ReadModelTx) error) error {
	return s.store.ReadModels().Update(ctx, ref, carillon.Refoldable, fn)
}

// put writes rows and a checkpoint in one update.
func (s *subject) put(ctx context.Context, ref carillon.ModelRef, checkpoint carillon.Position, rows ...carillon.Row) error {
	err := s.update(ctx, ref, func(tx carillon.ReadModelTx) error { return putRows(tx, checkpoint, rows...) })
	if err != nil {
		return fmt.Errorf("update %s: %w", describeModel(ref), err)
	}
	return nil
}

// putRows writes rows and the checkpoint they are as of.
func putRows(tx carillon.ReadModelTx, checkpoint carillon.Position, rows ...carillon.Row) error {
	if err := tx.Put(rows); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	if err := tx.Advance(checkpoint); err != nil {
		return fmt.Errorf("advance: %w", err)
	}
	return nil
}

// holds demands exactly these rows of a model, and of each that it is as of a checkpoint.
func (s *subject) holds(ctx context.Context, ref carillon.ModelRef, checkpoint carillon.Position, rows ...carillon.Row) error {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b carillon.Row) int { return strings.Compare(a.Key, b.Key) })
	models := s.store.ReadModels()
	for _, limit := range []int{1, 3, len(rows) + 1} {
		got, err := walkRows(ctx, models, ref, limit)
		if err != nil {
			return fmt.Errorf("%s: %w", describeModel(ref), err)
		}
		if err := sameRows(got, rows); err != nil {
			return fmt.Errorf("%s, in pages of %d: %w", describeModel(ref), limit, err)
		}
	}
	for _, want := range rows {
		got, at, err := models.Row(ctx, ref, want.Key)
		if err != nil {
			return fmt.Errorf("%s, row %q: %w", describeModel(ref), want.Key, err)
		}
		if err := sameRow(got, want); err != nil {
			return fmt.Errorf("%s: %w", describeModel(ref), err)
		}
		if at != checkpoint {
			return fmt.Errorf("%s: row %q is as of position %d, want %d", describeModel(ref), want.Key, at, checkpoint)
		}
	}
	return nil
}

// missing demands that a model has no rows of these keys.
func (s *subject) missing(ctx context.Context, ref carillon.ModelRef, keys ...string) error {
	for _, key := range keys {
		got, _, err := s.store.ReadModels().Row(ctx, ref, key)
		if !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("%s: row %q, which is not there: %+v, error %w, want ErrNotFound", describeModel(ref), key, got, errOrNil(err))
		}
	}
	return nil
}

// lists demands exactly these models of the store, in order of name.
func (s *subject) lists(ctx context.Context, want ...carillon.ModelInfo) error {
	got, err := s.store.ReadModels().Models(ctx)
	if err != nil {
		return fmt.Errorf("list models: %w", err)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("models %+v, want %+v", got, want)
	}
	return nil
}

// walkRows reads all rows of a model in pages.
func walkRows(ctx context.Context, models carillon.ReadModels, ref carillon.ModelRef, limit int) ([]carillon.Row, error) {
	var rows []carillon.Row
	after := ""
	for {
		page, err := models.Rows(ctx, ref, after, limit)
		if err != nil {
			return nil, fmt.Errorf("rows after %q: %w", after, err)
		}
		if len(page) > limit {
			return nil, fmt.Errorf("%d rows after %q, the limit was %d", len(page), after, limit)
		}
		if len(page) == 0 {
			return rows, nil
		}
		for _, row := range page {
			if row.Key <= after {
				return nil, fmt.Errorf("row %q comes after %q: rows are in order of key", row.Key, after)
			}
			after = row.Key
		}
		rows = append(rows, page...)
	}
}

func sameRows(got, want []carillon.Row) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d rows %s, want %d: %s", len(got), describeKeys(got), len(want), describeKeys(want))
	}
	for i := range want {
		if err := sameRow(got[i], want[i]); err != nil {
			return err
		}
	}
	return nil
}

// sameRow compares rows. A value that is empty is still one: nil would say that the row is deleted.
func sameRow(got, want carillon.Row) error {
	if got.Key != want.Key || got.Version != want.Version || string(got.Value) != string(want.Value) || got.Value == nil {
		return fmt.Errorf("row %s, want %s", describeRow(got), describeRow(want))
	}
	return nil
}

func describeRow(row carillon.Row) string {
	if row.Value == nil {
		return clip(fmt.Sprintf("%q without a value, version %d", row.Key, row.Version))
	}
	return clip(fmt.Sprintf("%q with version %d and %d bytes %q", row.Key, row.Version, len(row.Value), row.Value))
}

func describeKeys(rows []carillon.Row) string {
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = rows[i].Key
	}
	return clip(fmt.Sprintf("%q", keys))
}

func describeModel(ref carillon.ModelRef) string {
	text := fmt.Sprintf("model %q", ref.Name)
	if ref.Shadow {
		text = "shadow of " + text
	}
	if ref.Segment != 0 {
		text = fmt.Sprintf("segment %d of %s", ref.Segment, text)
	}
	return text
}
