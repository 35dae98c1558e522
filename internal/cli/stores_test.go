package cli

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/carillon-go/carillon/internal/backends"
)

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
	if *update {
		t.Skip("the transcripts are written over SQLite")
	}
	database := backends.Variable(t, backends.Postgres)
	parsed, err := url.Parse(database)
	if err != nil {
		t.Fatalf("%s is no URL", backends.Postgres)
	}
	parameters := parsed.Query()
	parameters.Set("schema", backends.Schema(t, database))
	parsed.RawQuery = parameters.Encode()
	return parsed.String()
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
