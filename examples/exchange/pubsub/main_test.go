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
	const want = `billing has seen order-1
billing has seen order-2
shipping has seen order-1
shipping has seen order-2
`
	if out.String() != want {
		t.Errorf("it said:\n%swant:\n%s", &out, want)
	}
}
