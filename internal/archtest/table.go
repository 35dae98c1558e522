package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const (
	rootPackage = "."
	testRow     = "*_test.go"
	anyPackage  = "any package"
	nothingElse = "standard library only"
)

// row is one line of the layer table.
type row struct {
	// name is a package's path below the module, "." for the root, "x/*" for all below x, or testRow.
	name string
	// any allows every package of the module.
	any bool
	// allow holds paths of packages, modules, and "testing".
	allow []string
}

type table []row

// parseTable finds the layer table in a Markdown document. A cell it does not understand is an error, so that prose is never
// taken for permission.
func parseTable(document string) (table, error) {
	var found table
	inside := false
	for number, line := range strings.Split(document, "\n") {
		cells := splitCells(line)
		if !inside {
			inside = slices.Equal(cells, []string{"package", "holds", "may import"})
			continue
		}
		if cells == nil {
			break
		}
		if strings.Trim(strings.Join(cells, ""), "-:") == "" {
			continue
		}
		parsed, err := parseRow(cells)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		if slices.ContainsFunc(found, func(r row) bool { return r.name == parsed.name }) {
			return nil, fmt.Errorf("line %d: `%s` has a row already", number+1, parsed.name)
		}
		found = append(found, parsed)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no table with the columns | package | holds | may import |")
	}
	return found, nil
}

func splitCells(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") || len(line) < 2 {
		return nil
	}
	cells := strings.Split(line[1:len(line)-1], "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

func parseRow(cells []string) (row, error) {
	if len(cells) != 3 {
		return row{}, fmt.Errorf("a row has three cells, not %d", len(cells))
	}
	name, ok := unquote(cells[0])
	if !ok {
		return row{}, fmt.Errorf("the first cell names one package in backquotes, not %q", cells[0])
	}
	if cells[1] == "" {
		return row{}, fmt.Errorf("`%s` does not say what it holds", name)
	}
	parsed := row{name: name}
	if cells[2] == nothingElse {
		return parsed, nil
	}
	for item := range strings.SplitSeq(cells[2], ",") {
		item = strings.TrimSpace(item)
		if item == anyPackage {
			parsed.any = true
			continue
		}
		path, ok := unquote(item)
		if !ok {
			return row{}, fmt.Errorf("`%s` may import paths in backquotes, %q or %q, not %q", name, anyPackage, nothingElse, item)
		}
		parsed.allow = append(parsed.allow, path)
	}
	return parsed, nil
}

func unquote(cell string) (string, bool) {
	if len(cell) < 3 || cell[0] != '`' || cell[len(cell)-1] != '`' {
		return "", false
	}
	inner := cell[1 : len(cell)-1]
	return inner, !strings.ContainsAny(inner, "` ")
}

// find gives the row of a package: its own, or else the longest wildcard that covers it.
func (t table) find(name string) (row, bool) {
	best, ok := row{}, false
	for _, r := range t {
		if r.name == name {
			return r, true
		}
		if r.name != testRow && covers(r.name, name) && len(r.name) > len(best.name) {
			best, ok = r, true
		}
	}
	return best, ok
}

// covers reports whether a name of the table, which may be a wildcard, means a package.
func covers(name, pkg string) bool {
	parent, wildcard := strings.CutSuffix(name, "/*")
	return name == pkg || wildcard && strings.HasPrefix(pkg, parent+"/")
}

// allows reports whether the row permits an import of a package of this module.
func (r row) allows(pkg string) bool {
	return r.any || slices.ContainsFunc(r.allow, func(name string) bool { return covers(name, pkg) })
}

// allowsModule reports whether the row permits an import from another module.
func (r row) allowsModule(path string) bool {
	return slices.ContainsFunc(r.allow, func(module string) bool {
		return path == module || strings.HasPrefix(path, module+"/")
	})
}

// allowsTesting reports whether the row permits test code.
func (r row) allowsTesting() bool { return slices.Contains(r.allow, "testing") }
