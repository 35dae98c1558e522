package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary act as the process that imports.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == taskArgument {
		if err := task(context.Background(), os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestEveryContest holds each contest in small. Every side checks its own work.
func TestEveryContest(t *testing.T) {
	for _, e := range contests() {
		t.Run(e.name, func(t *testing.T) {
			page := filepath.Join(t.TempDir(), "reference", "benchmarks.md")
			var out bytes.Buffer
			args := []string{
				"-quick", "-json", "-only", "^" + e.name + "$", "-repetitions", "1", "-duration", "40ms", "-dir", t.TempDir(), "-write", page,
			}
			if err := run(t.Context(), args, &out); err != nil {
				t.Fatal(err)
			}
			var r report
			if err := json.Unmarshal(out.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if len(r.Skipped) == 1 && strings.Contains(r.Skipped[0], "there is no ") && os.Getenv("REQUIRE_BACKENDS") == "" {
				t.Skip(r.Skipped[0])
			}
			if len(r.Rows) == 0 || len(r.Rates) < 2 || len(r.Skipped) > 0 || !r.Quick {
				t.Errorf("report %+v", r)
			}
			written, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range r.Rows {
				if row.Value.Median <= 0 {
					t.Errorf("%s: %+v", row.Work, row.Value)
				}
				if !strings.Contains(string(written), "| "+row.Work+" |") {
					t.Errorf("the page lacks %q", row.Work)
				}
			}
		})
	}
}

func TestOnlyNobody(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-quick", "-only", "nobody", "-dir", t.TempDir()}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "names none of append,") {
		t.Errorf("got %v", err)
	}
}

func TestThereIsNoPostgreSQL(t *testing.T) {
	t.Setenv(taskURL, "")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-only", "^pg-append$", "-dir", t.TempDir()}, &out); err != nil {
		t.Fatal(err)
	}
	if want := "NOT MEASURED: pg-append: not measured: there is no PostgreSQL"; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}

func TestTheRetailFileIsMissing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	missing := filepath.Join(t.TempDir(), "no.csv")
	if err := run(t.Context(), []string{"-only", "import", "-retail", missing, "-dir", t.TempDir()}, &out); err != nil {
		t.Fatal(err)
	}
	if want := "NOT MEASURED: import: not measured: there is no retail file at " + missing; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}
