package carillon_test

import (
	"testing"

	"github.com/carillon-go/carillon"
)

func TestKindNames(t *testing.T) {
	t.Parallel()
	for kind, want := range map[carillon.Kind]string{
		carillon.KindEvent: "event", carillon.KindCommand: "command", carillon.KindQuery: "query",
		carillon.KindDocument: "document", carillon.KindReply: "reply", carillon.Kind(9): "kind(9)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is called %q, want %q", kind, got, want)
		}
	}
}
