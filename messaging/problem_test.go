package messaging

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
)

// TestEveryErrorTravels sends each error that callers may compare to the other side: there it is that error and no other.
func TestEveryErrorTravels(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Err") {
			declared++
		}
		return true
	})
	if declared != len(problems()) {
		t.Errorf("there are %d errors to compare, and %d travel", declared, len(problems()))
	}
	for _, sent := range problems() {
		name, body := problemOf(fmt.Errorf("account 7: %w", sent.err), "id")
		reply := &carillon.Message{Headers: map[string]string{headerProblem: name, headerResponder: "bank"}, Payload: body}
		got := errorOf(reply)
		for _, other := range problems() {
			if errors.Is(got, other.err) != (other.name == sent.name) {
				t.Errorf("%s arrived as %v, which is %s: %t", sent.name, got, other.name, errors.Is(got, other.err))
			}
		}
	}
	if got := errorOf(&carillon.Message{Headers: map[string]string{headerProblem: "unheard-of"}, Payload: []byte("{")}); got == nil {
		t.Error("a problem that cannot be read is none")
	}
}
