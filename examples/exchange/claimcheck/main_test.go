package main

import (
	"log"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), log.New(&out, "", 0), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	const want = `contract has arrived with 5242880 bytes
`
	if out.String() != want {
		t.Errorf("it said:\n%swant:\n%s", &out, want)
	}
}
