package postgres

import (
	"errors"
	"fmt"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
)

// A row that is foreseen is as of what was done before it is asked for: what is written in between shows.
func TestForeseenRow(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	store, err := URL(url, Schema(backends.Schema(t, url)), Configure(few)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	put := func(tx carillon.ReadModelTx, value string) error {
		return tx.Put([]carillon.Row{{Key: "k", Value: []byte(value)}})
	}
	holds := func(tx carillon.ReadModelTx, want string) error {
		row, err := tx.Row("k")
		if err != nil || string(row.Value) != want {
			return fmt.Errorf("the row is %q, %w, want %q", row.Value, err, want)
		}
		return nil
	}
	receive := func(tx carillon.ReadModelTx, id string) error {
		first, err := tx.(carillon.InboxTx).Receive([]carillon.Receipt{{ID: id}})
		if err == nil && !first[0] {
			err = errors.New("it was received before")
		}
		return err
	}
	for _, test := range []struct {
		name string
		run  func(tx carillon.ReadModelTx) error
	}{
		{"not there", func(tx carillon.ReadModelTx) error {
			tx.(carillon.ForeseeingTx).Foresee("k")
			err := receive(tx, "1")
			if _, missing := tx.Row("k"); !errors.Is(missing, carillon.ErrNotFound) {
				err = errors.Join(err, fmt.Errorf("a row that is not there: %w", missing))
			}
			return errors.Join(err, put(tx, "first"))
		}},
		{"there", func(tx carillon.ReadModelTx) error {
			tx.(carillon.ForeseeingTx).Foresee("k")
			return errors.Join(receive(tx, "2"), holds(tx, "first"), holds(tx, "first"))
		}},
		{"written before", func(tx carillon.ReadModelTx) error {
			tx.(carillon.ForeseeingTx).Foresee("k")
			return errors.Join(put(tx, "second"), receive(tx, "3"), holds(tx, "second"))
		}},
		{"written in between", func(tx carillon.ReadModelTx) error {
			tx.(carillon.ForeseeingTx).Foresee("k")
			return errors.Join(receive(tx, "4"), put(tx, "third"), holds(tx, "third"))
		}},
		{"never asked for", func(tx carillon.ReadModelTx) error {
			tx.(carillon.ForeseeingTx).Foresee("k")
			return tx.Advance(1)
		}},
	} {
		if err := store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "m"}, carillon.Flushed, test.run); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
