package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDescribeAsyncAPI compares the document with the one of the last release. That it keeps the specification's schema is tested in
// interop/asyncapi.
func TestDescribeAsyncAPI(t *testing.T) {
	t.Parallel()
	got := mustRun(t, "describe", "--format", "asyncapi", "--broker", "nats://user:secret@localhost:4222?prefix=demo")
	want, err := os.ReadFile(filepath.Join("testdata", "asyncapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if without := mustRun(t, "describe", "--format", "asyncapi"); strings.Contains(without, `"servers"`) || !strings.Contains(without, `"payments.receive.orders"`) {
		t.Errorf("without a broker:\n%s", without)
	}
}
