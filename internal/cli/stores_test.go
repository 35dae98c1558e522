package cli

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/postgres"
)

// databaseVariable names the PostgreSQL of the tests; scripts/backends sets it.
const databaseVariable = "CARILLON_TEST_POSTGRES"

// emptyStores are the kinds of stores a test runs over, each with what gives the URL of an empty one.
func emptyStores() map[string]func(*testing.T) string {
	return map[string]func(*testing.T) string{"sqlite": emptyFile, "postgres": emptySchema}
}

// emptyFile is the URL of a file that is not there yet.
func emptyFile(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "shop.db")
}

// emptySchema is the URL of a schema that nobody else uses, dropped when the test ends. Without a server the test is skipped, or fails
// where backends are required.
func emptySchema(t *testing.T) string {
	t.Helper()
	database := os.Getenv(databaseVariable)
	switch {
	case *update:
		t.Skip("the transcripts are written over SQLite")
	case database != "":
	case os.Getenv("REQUIRE_BACKENDS") == "1":
		t.Fatalf("%s is not set, and REQUIRE_BACKENDS=1: run the tests through scripts/backends", databaseVariable)
	default:
		t.Skipf("%s is not set: run the tests through scripts/backends", databaseVariable)
	}
	parsed, err := url.Parse(database)
	if err != nil {
		t.Fatalf("%s is no URL", databaseVariable)
	}
	schema := "cli_" + strings.ToLower(rand.Text()[:16])
	parameters := parsed.Query()
	parameters.Set("schema", schema)
	parsed.RawQuery = parameters.Encode()
	store := parsed.String()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		err := (&storeFlag{url: store}).write(ctx, func(store carillon.Store) error {
			_, err := store.(*postgres.Store).Pool().Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestCommandsPrintTheSameOverEveryStore(t *testing.T) {
	t.Parallel()
	for name, empty := range emptyStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkTranscript(t, filepath.Join("testdata", "stores", "log.txt"), "STORE", empty(t))
			checkTranscript(t, filepath.Join("testdata", "stores", "shop.txt"), "STORE", empty(t))
		})
	}
}
