package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
)

// A schema from before shadows had letters is brought up to date with the letters in it, which are those of live models.
func TestLettersOfAnOlderSchema(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	source := URL(url, Schema(backends.Schema(t, url)), Configure(few))
	makeSchema(t, source, 2, `INSERT INTO {{schema}}.deadletters VALUES
			('orders', 'k', 7, 3, 'no route', 'somewhere', NULL, NULL), ('orders', 'k', 9, 0, '', '', NULL, NULL);
		INSERT INTO {{schema}}.retries VALUES ('orders', 'k')`)
	store, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	letters := store.(*Store).DeadLetters()
	got, err := letters.Letters(t.Context(), "orders", "k", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []carillon.DeadLetter{
		{Consumer: "orders", Key: "k", Position: 7, Attempts: 3, Cause: "no route", Stack: "somewhere"}, {Consumer: "orders", Key: "k", Position: 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	keys, err := letters.Keys(t.Context(), "orders")
	if diff := cmp.Diff([]carillon.ParkedKey{{Key: "k", Letters: 2, First: 7, Retry: true}}, keys); err != nil || diff != "" {
		t.Errorf("keys, error %v (-want +got):\n%s", err, diff)
	}
	err = store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "orders", Shadow: true}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		return tx.(carillon.ParkingTx).Park(want[:1])
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.ReadModels().Switch(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if got, err = letters.Letters(t.Context(), "orders", "k", 0, 10); err != nil || !cmp.Equal(want[:1], got) {
		t.Errorf("after a switch: %+v, %v", got, err)
	}
}

// makeSchema makes a schema of an earlier version, and what is in it.
func makeSchema(t *testing.T, source Source, version int64, content string) {
	t.Helper()
	config, err := pgx.ParseConfig(source.url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	older := &Store{source: source}
	steps, err := older.steps()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA IF NOT EXISTS "+source.schema); err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, nil, goose.WithDisableGlobalRegistry(true),
		goose.WithTableName(source.schema+".migrations"), goose.WithGoMigrations(steps...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), (&texts{schema: source.schema}).fill(content)); err != nil {
		t.Fatal(err)
	}
}
