package eventtest_test

import (
	"fmt"
	"strings"
	"testing"
)

// recorder is a test that keeps what is reported instead of failing.
type recorder struct {
	testing.TB
	reports []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

// expect fails unless exactly one report holds every text, or unless there is none when no text is given.
func (r *recorder) expect(t *testing.T, texts ...string) {
	t.Helper()
	if len(texts) == 0 {
		if len(r.reports) > 0 {
			t.Errorf("reported %q, want nothing", r.reports)
		}
		return
	}
	if len(r.reports) != 1 {
		t.Fatalf("got %d reports %q, want one with %q", len(r.reports), r.reports, texts)
	}
	for _, text := range texts {
		if !strings.Contains(r.reports[0], text) {
			t.Errorf("the report lacks %q:\n%s", text, r.reports[0])
		}
	}
}

// expectAny fails unless every text is in some report.
func (r *recorder) expectAny(t *testing.T, texts ...string) {
	t.Helper()
	all := strings.Join(r.reports, "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("no report has %q:\n%s", text, all)
		}
	}
}
