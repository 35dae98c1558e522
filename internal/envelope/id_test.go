package envelope_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/carillon-go/carillon/internal/envelope"
)

func TestUUID(t *testing.T) {
	t.Parallel()
	for range 100 {
		var want [16]byte
		_, _ = rand.Read(want[:]) // cannot fail
		id := fmt.Sprintf("%x-%x-%x-%x-%x", want[:4], want[4:6], want[6:8], want[8:10], want[10:])
		if raw, ok := envelope.UUID(id); !ok || raw != want {
			t.Fatalf("%s gives % x, %v", id, raw, ok)
		}
	}
	for _, id := range []string{
		"", "not-a-uuid",
		"0197F00D-0000-7000-8000-000000000001",  // in upper case
		"0197f00d-0000-7000-8000-00000000000g",  // a letter too far
		"0197f00d-0000-7000-8000-00000000000/",  // next to the digits
		"0197f00d-0000-7000-8000-00000000000:",  // likewise
		"0197f00d00000-7000-8000-000000000001",  // a digit for a hyphen
		"0197f00d-0000-7000-8000-0000000000011", // too long
		"{0197f00d-0000-7000-8000-00000000001}",
	} {
		if raw, ok := envelope.UUID(id); ok {
			t.Errorf("%q gives % x", id, raw)
		}
	}
}
