package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	pageLink  = regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)]*)?\)`)
	codeBlock = regexp.MustCompile("(?s)```.*?```")
	goName    = regexp.MustCompile("`([a-z][a-z0-9]*)\\.([A-Z][A-Za-z0-9]*(?:\\.[A-Z][A-Za-z0-9]*)?)`")
)

// CheckLinks returns every relative link in the module's Markdown files that leads nowhere, as a sentence, in order. What looks like
// one in code is none.
func CheckLinks(root string) ([]string, error) {
	t, err := readTree(root)
	if err != nil {
		return nil, err
	}
	var violations []string
	for _, page := range t.pages {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
		if err != nil {
			return nil, err
		}
		for _, match := range pageLink.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(content), ""), -1) {
			target := match[1]
			if strings.Contains(target, ":") {
				continue
			}
			_, err := os.Stat(filepath.Join(root, filepath.FromSlash(path.Join(path.Dir(page), target))))
			if errors.Is(err, fs.ErrNotExist) {
				violations = append(violations, fmt.Sprintf("%s links to %s, which is not there", page, target))
			} else if err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(violations)
	return slices.Compact(violations), nil
}

// CheckNames returns every Go name in a page that no package declares, as a sentence, in order. A Go name is a package's last
// path element, a dot and an exported name, in backquotes, such as `eventlog.Log`; a second dot leads to a field or method.
func CheckNames(root, page string) ([]string, error) {
	t, err := readTree(root)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		return nil, err
	}
	declared := map[string]map[string]bool{}
	for pkg := range t.packages {
		files, err := t.declarations(pkg)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			names := declared[file.Name.Name]
			if names == nil {
				names = map[string]bool{}
				declared[file.Name.Name] = names
			}
			collectNames(file, names)
		}
	}
	var violations []string
	for _, match := range goName.FindAllStringSubmatch(string(content), -1) {
		if !declared[match[1]][match[2]] {
			violations = append(violations, fmt.Sprintf("%s speaks of `%s.%s`, which nothing declares", page, match[1], match[2]))
		}
	}
	slices.Sort(violations)
	return slices.Compact(violations), nil
}

// collectNames adds the names a file declares: Name for itself, Name.Member for fields and methods.
func collectNames(file *ast.File, names map[string]bool) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			names[receiver(d)+d.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				collectSpec(spec, names)
			}
		}
	}
}

func collectSpec(spec ast.Spec, names map[string]bool) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		var members *ast.FieldList
		switch shape := s.Type.(type) {
		case *ast.StructType:
			members = shape.Fields
		case *ast.InterfaceType:
			members = shape.Methods
		default:
			return
		}
		for _, field := range members.List {
			for _, name := range field.Names {
				names[s.Name.Name+"."+name.Name] = true
			}
		}
	}
}

// receiver gives the name of a method's type with a dot, and nothing for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	for at := d.Recv.List[0].Type; ; {
		switch e := at.(type) {
		case *ast.StarExpr:
			at = e.X
		case *ast.IndexExpr:
			at = e.X
		case *ast.IndexListExpr:
			at = e.X
		case *ast.Ident:
			return e.Name + "."
		default:
			return ""
		}
	}
}
