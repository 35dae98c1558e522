package projection

import (
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
)

// TestPace sees a rebuild slow down while somebody appends, and go on as fast as it can soon after.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := eventlog.New(memory.Volatile().Log())
		var p pace
		look := func(when string, want bool) {
			t.Helper()
			if got, err := p.gently(t.Context(), log); got != want || err != nil {
				t.Errorf("%s: gently is %v, want %v, error %v", when, got, want, err)
			}
		}
		appendOne := func() {
			_, err := log.Append(t.Context(), carillon.Append{Events: []carillon.Message{{Type: "noted", Payload: []byte("{}")}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		appendOne()
		look("at the first look", true)
		rest(t.Context(), quietAfter-1)
		look("not long after", true)
		rest(t.Context(), 1)
		look("when nothing has happened", false)
		appendOne()
		look("after an append", true)
		rest(t.Context(), quietAfter/2)
		appendOne()
		look("after another", true)
		rest(t.Context(), quietAfter/2)
		look("since the last one", true)
		p.hurried = true
		look("when others wait", false)
	})
}
