package carillon_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

func TestChainPutsTheFirstOutermost(t *testing.T) {
	t.Parallel()
	var order []string
	named := func(name string) carillon.Middleware {
		return func(next carillon.Handler) carillon.Handler {
			return func(ctx context.Context, message *carillon.Message) (any, error) {
				order = append(order, name)
				defer func() { order = append(order, "/"+name) }()
				return next(ctx, message)
			}
		}
	}
	handler := carillon.Chain(func(context.Context, *carillon.Message) (any, error) {
		order = append(order, "handler")
		return 1, nil
	}, named("a"), named("b"))
	if result, err := handler(t.Context(), &carillon.Message{}); result != 1 || err != nil {
		t.Errorf("result %v, error %v", result, err)
	}
	if diff := cmp.Diff([]string{"a", "b", "handler", "/b", "/a"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
