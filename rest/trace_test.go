package rest

import (
	"net/http"
	"strings"
	"testing"
)

func TestTraceContext(t *testing.T) {
	t.Parallel()
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	const good = "00-" + trace + "-" + parent + "-01"
	many := strings.TrimSuffix(strings.Repeat("a=1,", 33), ",")
	for _, test := range []struct {
		name, parent, state   string
		wantParent, wantState string
	}{
		{"plain", good, "vendor=1", good, "vendor=1"},
		{"no state", good, "", good, ""},
		{"several members", good, "a@b=1, c=2 ,,d=x y", good, "a@b=1, c=2 ,,d=x y"},
		{"state without parent", "", "a=1", "", ""},
		{"later version", "01-" + trace + "-" + parent + "-01-more", "a=1", "01-" + trace + "-" + parent + "-01-more", "a=1"},
		{"version 00 goes on", good + "-more", "a=1", "", ""},
		{"later version runs on", "01-" + trace + "-" + parent + "-01more", "", "", ""},
		{"version ff", "ff-" + trace + "-" + parent + "-01", "", "", ""},
		{"upper case", "00-" + strings.ToUpper(trace) + "-" + parent + "-01", "", "", ""},
		{"no hex", "00-" + strings.Replace(trace, "a", "g", 1) + "-" + parent + "-01", "", "", ""},
		{"zero trace", "00-" + strings.Repeat("0", 32) + "-" + parent + "-01", "", "", ""},
		{"zero parent", "00-" + trace + "-" + strings.Repeat("0", 16) + "-01", "", "", ""},
		{"too short", good[:54], "", "", ""},
		{"too long", "01-" + trace + "-" + parent + "-01-" + strings.Repeat("x", 255), "", "", ""},
		{"wrong dashes", strings.ReplaceAll(good, "-", "_"), "", "", ""},
		{"state without value", good, "a=", good, ""},
		{"state without key", good, "=1", good, ""},
		{"state with upper case key", good, "A=1", good, ""},
		{"state with two equal signs", good, "a=1=2", good, ""},
		{"too many members", good, many, good, ""},
		{"state too long", good, "a=" + strings.Repeat("x", 512), good, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{Header: make(http.Header)}
			r.Header.Set("Traceparent", test.parent)
			r.Header.Set("Tracestate", test.state)
			if parent, state := traceOf(r); parent != test.wantParent || state != test.wantState {
				t.Errorf("got %q and %q, want %q and %q", parent, state, test.wantParent, test.wantState)
			}
		})
	}
	twice := &http.Request{Header: http.Header{"Traceparent": {good, good}}}
	if parent, _ := traceOf(twice); parent != "" {
		t.Errorf("two parents were read as %q", parent)
	}
}
