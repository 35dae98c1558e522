package processes

import (
	"os"
	"testing"
)

// Nightly skips a test of full size by day.
func Nightly(t testing.TB) {
	t.Helper()
	if os.Getenv("CARILLON_NIGHTLY") != "1" {
		t.Skip("it runs with CARILLON_NIGHTLY=1")
	}
}
