package eventtest_test

import (
	"testing"

	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/projection"
)

type row struct {
	Owner string
	Notes int
}

func rows(parts ...projection.Part[row]) *projection.Model[row] {
	return projection.Keyed("rows", append([]projection.Part[row]{
		projection.On("account.opened", func(r row, e opened) row { r.Owner = e.Owner; return r }),
		projection.By("account.noted", func(e noted) string { return e.Text }, func(r row, _ noted) row { r.Notes++; return r }),
		projection.Remove[row]("account.closed"),
	}, parts...)...)
}

func TestFoldsThatHold(t *testing.T) {
	t.Parallel()
	ann := eventtest.At("account-1", opened{Owner: "Ann"})
	eventtest.Projection(t, rows()).Given(ann).ThenRow("1", row{Owner: "Ann"}).ThenNoRow("2")
	eventtest.Projection(t, rows()).Given(eventtest.At("", noted{"x"}), eventtest.At("", noted{"x"})).ThenRows(map[string]row{"x": {Notes: 2}})
	eventtest.Projection(t, rows()).Given(ann, eventtest.At("account-1", struct{}{}).As("account.closed")).ThenRows(nil)
}

func TestFoldsThatFail(t *testing.T) {
	t.Parallel()
	ann := eventtest.At("account-1", opened{Owner: "Ann"})
	for name, test := range map[string]struct {
		run  func(t testing.TB)
		want []string
	}{
		"another row": {
			func(t testing.TB) { eventtest.Projection(t, rows()).Given(ann).ThenRow("1", row{Owner: "Bob"}) },
			[]string{`row "1" is another`, `-   "Owner": "Bob"`, `+   "Owner": "Ann"`},
		},
		"no row":         {func(t testing.TB) { eventtest.Projection(t, rows()).ThenRow("1", row{}) }, []string{`no row "1"`}},
		"a row too many": {func(t testing.TB) { eventtest.Projection(t, rows()).Given(ann).ThenNoRow("1") }, []string{`is a row "1"`}},
		"other rows":     {func(t testing.TB) { eventtest.Projection(t, rows()).Given(ann).ThenRows(nil) }, []string{"rows are others"}},
		"an event that is not folded": {
			func(t testing.TB) { eventtest.Projection(t, rows()).Given(eventtest.At("account-1", stamp{})) }, []string{"not one the projection folds"},
		},
		"an impure fold": {
			func(t testing.TB) {
				calls := 0
				eventtest.Projection(t, rows(projection.On("account.stamped", func(r row, _ stamp) row {
					calls++
					r.Notes = calls
					return r
				}))).Given(eventtest.At("account-1", stamp{}))
			}, []string{"not pure"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			test.run(r)
			r.expect(t, test.want...)
		})
	}
}
