//go:build unix

package crashes_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/internal/backends"
)

// place is a job's part that says where: a schema of the shared server that nobody else uses, dropped when the test ends.
func place(t testing.TB) job {
	t.Helper()
	url := backends.Variable(t, backends.Postgres)
	return job{URL: url, Schema: backends.Schema(t, url)}
}

// store opens the job's store for the test itself.
func (j job) store(t testing.TB) *postgres.Store {
	t.Helper()
	store, err := j.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// execute runs statements in which {{schema}} stands for the job's schema.
func (j job) execute(t testing.TB, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), j.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), strings.ReplaceAll(statements, "{{schema}}", j.Schema)); err != nil {
		t.Fatal(err)
	}
}
