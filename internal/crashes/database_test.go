//go:build unix

package crashes_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon/adapter/postgres"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// variable is a variable that scripts/backends sets. Without it the test is skipped, or fails where backends are required.
func variable(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	switch {
	case value != "":
	case os.Getenv("REQUIRE_BACKENDS") == "1":
		t.Fatalf("%s is not set, and REQUIRE_BACKENDS=1: run the tests through scripts/backends", name)
	default:
		t.Skipf("%s is not set: run the tests through scripts/backends", name)
	}
	return value
}

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
	j := job{URL: variable(t, "CARILLON_TEST_POSTGRES"), Schema: "crashes_" + strings.ToLower(rand.Text()[:16])}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, j.URL)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, fmt.Sprintf("SET client_min_messages = warning; DROP SCHEMA IF EXISTS %s CASCADE", j.Schema)); err != nil {
			t.Error(err)
		}
	})
	return j
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
