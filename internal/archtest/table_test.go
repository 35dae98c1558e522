package archtest

import (
	"strings"
	"testing"
)

const header = "| package | holds | may import |\n|---|---|---|\n"

func TestTableRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, rows, want string }{
		{"a name without backquotes", "| sourcing | x | `.` |", "names one package in backquotes"},
		{"two names", "| `a`, `b` | x | `.` |", "names one package in backquotes"},
		{"an empty second cell", "| `a` | | `.` |", "does not say what it holds"},
		{"prose as permission", "| `a` | x | `.` and friends |", "may import paths in backquotes"},
		{"an empty third cell", "| `a` | x | |", "may import paths in backquotes"},
		{"a missing cell", "| `a` | x |", "three cells, not 2"},
		{"a second row", "| `a` | x | `.` |\n| `a` | y | `.` |", "line 4: `a` has a row already"},
		{"no rows", "", "no table"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseTable(header + test.rows + "\n")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestTableFindsTheClosestRow(t *testing.T) {
	t.Parallel()
	law, err := parseTable(header + strings.Join([]string{
		"| `examples/*` | x | any package |",
		"| `examples/shop/*` | x | `.` |",
		"| `examples/shop/money` | x | standard library only |",
		"| `*_test.go` | x | `testing` |",
	}, "\n") + "\n")
	if err != nil {
		t.Fatal(err)
	}
	for pkg, want := range map[string]string{
		"examples/first":       "examples/*",
		"examples/shop":        "examples/*",
		"examples/shop/retail": "examples/shop/*",
		"examples/shop/money":  "examples/shop/money",
		"examples":             "",
		"examplesque":          "",
	} {
		got, ok := law.find(pkg)
		if got.name != want || ok != (want != "") {
			t.Errorf("%s: row %q, want %q", pkg, got.name, want)
		}
	}
}
