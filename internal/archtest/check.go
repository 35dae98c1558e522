package archtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxLines is the most lines a source file may have, tests included. Generated files are exempt.
const MaxLines = 500

// Check reads the module at root and the layer table in its ARCHITECTURE.md. It returns every violation as a sentence, in
// order, and an error when the tree or the table cannot be read.
func Check(root string) ([]string, error) {
	t, err := readTree(root)
	if err != nil {
		return nil, err
	}
	document, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		return nil, err
	}
	law, err := parseTable(string(document))
	if err != nil {
		return nil, fmt.Errorf("ARCHITECTURE.md: %w", err)
	}
	ports, err := checkPorts(t)
	if err != nil {
		return nil, err
	}
	violations := slices.Concat(checkRows(t, law), checkImports(t, law), checkLengths(t), ports)
	slices.Sort(violations)
	return slices.Compact(violations), nil
}

// checkRows wants a row for every package and a package for every row.
func checkRows(t *tree, law table) []string {
	var violations []string
	for pkg := range t.packages {
		if _, ok := law.find(pkg); !ok {
			violations = append(violations, fmt.Sprintf("`%s` has no row", pkg))
		}
	}
	for _, r := range law {
		met := func(pkg string) bool { return covers(r.name, pkg) }
		if r.name != testRow && !slices.ContainsFunc(slices.Collect(maps.Keys(t.packages)), met) {
			violations = append(violations, fmt.Sprintf("`%s` has a row and no package", r.name))
		}
	}
	return violations
}

func checkImports(t *tree, law table) []string {
	tests, _ := law.find(testRow)
	var violations []string
	for pkg, files := range t.packages {
		own, ok := law.find(pkg)
		if !ok {
			continue
		}
		for _, file := range files {
			for _, imported := range file.imports {
				allowed := t.allows(law, own, pkg, imported) || file.isTest() && t.allows(law, tests, pkg, imported)
				if allowed {
					continue
				}
				name := imported
				if local, ok := t.local(imported); ok {
					name = local
				}
				subject := pkg
				if file.isTest() {
					subject = file.name
				}
				violations = append(violations, fmt.Sprintf("`%s` must not import `%s`", subject, name))
			}
		}
	}
	return violations
}

// allows reports whether a file of pkg may import a path under a row. A package that may not import testing may not import a
// package that may, either: that is how test code would reach a program. Nothing may import C.
func (t *tree) allows(law table, own row, pkg, imported string) bool {
	local, ok := t.local(imported)
	switch first, _, _ := strings.Cut(imported, "/"); {
	case ok && local == pkg:
		return true
	case ok:
		target, _ := law.find(local)
		return own.allows(local) && (own.allowsTesting() || !target.allowsTesting())
	case first == "testing":
		return own.allowsTesting()
	case strings.Contains(first, "."):
		return own.allowsModule(imported)
	default:
		return imported != "C"
	}
}

func checkLengths(t *tree) []string {
	var violations []string
	for _, file := range slices.Concat(slices.Concat(slices.Collect(maps.Values(t.packages))...), t.nested) {
		if file.lines > MaxLines && !file.generated {
			violations = append(violations, fmt.Sprintf("%s has %d lines, at most %d are allowed", file.name, file.lines, MaxLines))
		}
	}
	return violations
}
