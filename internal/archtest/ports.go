package archtest

import (
	"fmt"
	"go/ast"
)

// MaxMethods is the most methods an interface of the root package may have.
const MaxMethods = 5

// checkPorts counts the methods of the interfaces in the root package, embedded ones included.
func checkPorts(t *tree) ([]string, error) {
	files, err := t.declarations(rootPackage)
	if err != nil {
		return nil, err
	}
	ports := map[string]*ast.InterfaceType{}
	for _, file := range files {
		ast.Inspect(file, func(node ast.Node) bool {
			if spec, ok := node.(*ast.TypeSpec); ok {
				if port, ok := spec.Type.(*ast.InterfaceType); ok {
					ports[spec.Name.Name] = port
				}
			}
			return true
		})
	}
	var violations []string
	for name, port := range ports {
		methods := map[string]bool{}
		if foreign := collectMethods(ports, port, methods); foreign != "" {
			violations = append(violations, fmt.Sprintf("port %s embeds %s: write its methods out", name, foreign))
		}
		if len(methods) > MaxMethods {
			violations = append(violations, fmt.Sprintf("port %s has %d methods, at most %d are allowed", name, len(methods), MaxMethods))
		}
	}
	return violations, nil
}

// collectMethods adds the names of an interface's methods. It returns the name of an embedded interface of another package,
// whose methods it cannot see.
func collectMethods(ports map[string]*ast.InterfaceType, port *ast.InterfaceType, methods map[string]bool) string {
	foreign := ""
	for _, field := range port.Methods.List {
		for _, name := range field.Names {
			methods[name.Name] = true
		}
		switch embedded := field.Type.(type) {
		case *ast.Ident:
			if inner, ok := ports[embedded.Name]; ok {
				foreign = max(foreign, collectMethods(ports, inner, methods))
			}
		case *ast.SelectorExpr:
			if pkg, ok := embedded.X.(*ast.Ident); ok {
				foreign = max(foreign, pkg.Name+"."+embedded.Sel.Name)
			}
		}
	}
	return foreign
}
