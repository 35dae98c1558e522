// Package backends gives tests the real servers that scripts/backends starts.
package backends

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// The variables that name the servers.
const (
	// Postgres is the URL of a PostgreSQL database, as superuser.
	Postgres = "CARILLON_TEST_POSTGRES"
	// PgBouncer is the URL of the same database through a pooler in transaction mode.
	PgBouncer = "CARILLON_TEST_PGBOUNCER"
	// PostgresBinaries is the directory of initdb and pg_ctl.
	PostgresBinaries = "CARILLON_TEST_PGBIN"
)

// Variable returns what scripts/backends says. Where it says nothing the test is skipped, or fails when backends are required.
func Variable(t testing.TB, name string) string {
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

// Schema returns the name of a schema that nobody else uses. It is dropped when the test ends.
func Schema(t testing.TB, url string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text()[:16])
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS "+name+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return name
}
