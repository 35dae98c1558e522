package main

import (
	"log"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), log.New(&out, "", 0)); err != nil {
		t.Fatal(err)
	}
	const want = `a command may be rejected: which tower?
a query has an answer: 1
the town hears the document score
the town hears the event bell.rung
`
	if out.String() != want {
		t.Errorf("it said:\n%swant:\n%s", &out, want)
	}
}
