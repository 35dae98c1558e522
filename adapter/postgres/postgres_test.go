package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// The variables that name the databases tests run against; scripts/backends sets them.
const (
	urlVariable       = "CARILLON_TEST_POSTGRES"
	pgBouncerVariable = "CARILLON_TEST_PGBOUNCER"
)

// database is the URL a variable names. Without one the test is skipped, or fails where backends are required.
func database(t testing.TB, variable string) string {
	t.Helper()
	url := os.Getenv(variable)
	switch {
	case url != "":
	case os.Getenv("REQUIRE_BACKENDS") == "1":
		t.Fatalf("%s is not set, and REQUIRE_BACKENDS=1: run the tests through scripts/backends", variable)
	default:
		t.Skipf("%s is not set: run the tests through scripts/backends", variable)
	}
	return url
}

// schema is the name of a schema that nobody else uses, dropped when the test ends.
func schema(t testing.TB, url string) string {
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
		if _, err := conn.Exec(ctx, fmt.Sprintf("SET client_min_messages = warning; DROP SCHEMA IF EXISTS %s CASCADE", name)); err != nil {
			t.Error(err)
		}
	})
	return name
}
