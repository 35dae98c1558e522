//go:build unix

package crashes_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/internal/backends"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// nightly skips a test of full size by day.
func nightly(t testing.TB) {
	t.Helper()
	if os.Getenv("CARILLON_NIGHTLY") != "1" {
		t.Skip("it runs with CARILLON_NIGHTLY=1")
	}
}

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

// await returns once a condition holds, and how long that took.
func await(t testing.TB, what string, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		if time.Since(begin) > patience {
			t.Fatalf("%s: it did not come within %v", what, patience)
		}
		<-ticker.C
	}
	return time.Since(begin)
}
