package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// source is what a check needs to know of one Go file.
type source struct {
	// name is the file's path below the root, with slashes.
	name      string
	imports   []string
	lines     int
	generated bool
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// tree is the source of a module, without vendored code and test data.
type tree struct {
	root   string
	module string
	// packages holds the files of each package, by its path below the root.
	packages map[string][]source
	// nested holds the files of modules inside this one, such as the benchmarks.
	nested []source
	// pages holds the paths of Markdown files below the root, with slashes.
	pages []string
}

func readTree(root string) (*tree, error) {
	module, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, module: module, packages: map[string][]source{}}
	var inner []string
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		switch {
		case entry.IsDir() && name != rootPackage && skipped(entry.Name()):
			return filepath.SkipDir
		case entry.IsDir() && name != rootPackage:
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				inner = append(inner, name+"/")
			}
		case strings.HasSuffix(name, ".md"):
			t.pages = append(t.pages, name)
		case strings.HasSuffix(name, ".go"):
			return t.add(name, inner)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	return t, nil
}

func skipped(directory string) bool {
	return directory == "testdata" || directory == "vendor" || directory[0] == '.' || directory[0] == '_'
}

func (t *tree) add(name string, inner []string) error {
	file, err := readSource(t.root, name)
	if err != nil {
		return err
	}
	for _, module := range inner {
		if strings.HasPrefix(name, module) {
			t.nested = append(t.nested, file)
			return nil
		}
	}
	pkg := path.Dir(name)
	t.packages[pkg] = append(t.packages[pkg], file)
	return nil
}

func readSource(root, name string) (source, error) {
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return source{}, err
	}
	syntax, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return source{}, err
	}
	file := source{name: name, lines: countLines(content), generated: ast.IsGenerated(syntax)}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		file.imports = append(file.imports, imported)
	}
	return file, nil
}

func countLines(content []byte) int {
	lines := bytes.Count(content, []byte("\n"))
	if len(content) > 0 && content[len(content)-1] != '\n' {
		lines++
	}
	return lines
}

func modulePath(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		if module, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(module), nil
		}
	}
	return "", fmt.Errorf("%s names no module", file)
}

// local gives the path below the root of a package of this module.
func (t *tree) local(imported string) (string, bool) {
	if imported == t.module {
		return rootPackage, true
	}
	return strings.CutPrefix(imported, t.module+"/")
}

// declarations parses the files of a package that are not tests.
func (t *tree) declarations(pkg string) ([]*ast.File, error) {
	var files []*ast.File
	for _, file := range t.packages[pkg] {
		if file.isTest() {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(t.root, filepath.FromSlash(file.name)), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, syntax)
	}
	return files, nil
}
