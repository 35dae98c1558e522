package main

import (
	"log"
	"strings"
	"testing"
)

// TestRun orders from a warehouse in another service, and from the same one in this.
func TestRun(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]bool{"apart": true, "together": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := run(t.Context(), log.New(&out, "", 0), apart); err != nil {
				t.Fatal(err)
			}
			const want = `order-1 is one of 1
order-2 is one of 2
order-3 is rejected: bell is sold out
`
			if out.String() != want {
				t.Errorf("it said:\n%swant:\n%s", &out, want)
			}
		})
	}
}
