package carillon_test

import (
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
)

func TestParseTrace(t *testing.T) {
	t.Parallel()
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	const good = "00-" + trace + "-" + span + "-01"
	member := "a=" + strings.Repeat("x", 510)
	for _, test := range []struct {
		name, parent, state string
		want                carillon.Trace
	}{
		{"nothing", "", "", carillon.Trace{}},
		{"both", good, "vendor=1", carillon.Trace{Parent: good, State: "vendor=1"}},
		{"state alone", "", "vendor=1", carillon.Trace{}},
		{"parent not valid", "00-1-2-01", "vendor=1", carillon.Trace{}},
		{"state not valid", good, "Vendor=1", carillon.Trace{Parent: good}},
		{"state of 512 characters", good, member, carillon.Trace{Parent: good, State: member}},
		{"state of 513 characters", good, member + "x", carillon.Trace{Parent: good}},
		{"later version with control characters", "01-" + trace + "-" + span + "-01-\n", "", carillon.Trace{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := carillon.ParseTrace(test.parent, test.state)
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			m := carillon.Message{ID: "1", Type: "noted"}
			m.SetTrace(got)
			if err := m.CheckPublished(carillon.MaxPayload); err != nil || m.Trace() != got {
				t.Errorf("a message carries %+v, error %v", m.Trace(), err)
			}
		})
	}
}
