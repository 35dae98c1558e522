package eventtest_test

import (
	"slices"
	"testing"

	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/projection"
)

type row struct {
	Owner string
	Notes int
}

type ordered struct{ Lines []orderLine }

type orderLine struct{ Codes []string }

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
	gift := eventtest.Happened{Stream: "gift-account-1", Event: opened{Owner: "Bob"}, Key: "1"}
	eventtest.Projection(t, rows()).Given(gift).ThenRow("1", row{Owner: "Bob"})
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
			[]string{`row "1" is another`, `-   Owner: "Bob",`, `+   Owner: "Ann",`},
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
			}, []string{"not pure", "second time it came to other rows"},
		},
		"a fold that changes the row before": {
			func(t testing.TB) {
				tags := projection.Keyed("tags", projection.On("listed", func(row []string, e []string) []string {
					if len(row) > 0 {
						row[0] = "spoilt"
					}
					return append(row[:len(row):len(row)], e...)
				}))
				eventtest.Projection(t, tags).Given(eventtest.At("s-1", []string{"a"}), eventtest.At("s-1", []string{"b"}))
			}, []string{"not pure", "changed the state it was given", `-     "a",`, `+     "spoilt",`},
		},
		"a fold that changes the event": {
			func(t testing.TB) {
				sorted := projection.Keyed("sorted", projection.On("listed", func(_ []string, e []string) []string {
					slices.Sort(e)
					return e
				}))
				eventtest.Projection(t, sorted).Given(eventtest.At("s-1", []string{"b", "a"}))
			}, []string{"not pure", "other projections share the event"},
		},
		"a fold that appends to the event": {
			func(t testing.TB) {
				longer := projection.Keyed("longer", projection.On("ordered", func(_ []string, e ordered) []string {
					return append(e.Lines[0].Codes, "more")
				}))
				eventtest.Projection(t, longer).Given(eventtest.At("s-1", ordered{[]orderLine{{[]string{"a"}}}}))
			}, []string{"not pure", "it appended to the event.Lines[0].Codes"},
		},
		"a row that a store loses": {
			func(t testing.TB) {
				type secret struct{ count int }
				lossy := projection.Keyed("lossy", projection.On("account.noted", func(s secret, _ noted) secret { s.count++; return s }))
				eventtest.Projection(t, lossy).Given(eventtest.At("s-1", noted{"a"}))
			}, []string{`row "1" does not pass through the codec`, "-   count: 1,", "+   count: 0,"},
		},
		"an event the codec cannot hold": {
			func(t testing.TB) {
				eventtest.Projection(t, rows()).Given(eventtest.At("s-1", func() {}).As("account.closed"))
			}, []string{"unsupported type"},
		},
		"no event":  {func(t testing.TB) { eventtest.Projection(t, rows()).Given(eventtest.At("s-1", nil).As("a")) }, []string{"it is nil"}},
		"no stream": {func(t testing.TB) { eventtest.Projection(t, rows()).Given(eventtest.At("s\n", noted{})) }, []string{`stream "s\n"`}},
		"a fold that fails": {
			func(t testing.TB) {
				eventtest.Projection(t, rows()).Given(eventtest.At("s-1", "text").As("account.noted"))
			},
			[]string{"fold string: json: cannot unmarshal"},
		},
		"a definition with a mistake": {
			func(t testing.TB) { eventtest.Projection(t, projection.Keyed[row]("empty")) }, []string{"not sound", "at least one event type"},
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
