package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
)

func TestAppendTakesAnyPayloadUpToTheLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	text := strings.Repeat("x", carillon.MaxPayload)
	for _, test := range []struct {
		name, stdin, contentType string
		status                   int
	}{
		{"JSON with white space around", "\n {\"a\": 1}\n\n", "application/json", StatusOK},
		{"the largest", text, "text/plain", StatusOK},
		{"one byte more", text + "x", "text/plain", StatusUsage},
		{"JSON that is too large", `"` + text + `"`, "application/json", StatusUsage},
		{"nothing that ought to be JSON", "", "application/json", StatusUsage},
		{"JSON that is no text", "\"\xff\"", "application/json", StatusUsage},
		{"two JSON values", "1 2", "application/json", StatusUsage},
		{"bytes", "\x00\x01\xff", "application/octet-stream", StatusOK},
		{"nothing", "", "application/octet-stream", StatusOK},
	} {
		r := runWith(t, test.stdin, "log", "append", "--store", path, "--type", "noted", "--content-type", test.contentType, "-")
		if r.status != test.status || (r.status == StatusOK) != (r.stderr == "") || len(r.stderr) > 300 {
			t.Errorf("%s: exit %d, %q, want %d", test.name, r.status, r.stderr, test.status)
		}
	}
	lines := strings.Split(strings.TrimSpace(mustRun(t, "log", "read", "--store", path, "--json")), "\n")
	if len(lines) != 4 || !strings.HasSuffix(lines[0], `"payload":{"a":1}}`) {
		t.Errorf("the log holds %d events, want 4; the first is %.300s", len(lines), lines[0])
	}
}
