package projection_test

import (
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

type order struct{ Lines []line }

type line struct {
	Product string
	Units   int
}

// every folds events in each way there is.
func every() *projection.Model[int] {
	return projection.Keyed("every",
		projection.On("counted", func(n int, by int) int { return n + by }),
		projection.Remove[int]("closed"),
		projection.By("bought", func(e credited) string { return e.Shop }, func(n int, e credited) int { return n + int(e.Pence) }),
		projection.Each("ordered", func(e order) iter.Seq2[string, int] {
			return func(yield func(string, int) bool) {
				for _, line := range e.Lines {
					if !yield(line.Product, line.Units) {
						return
					}
				}
			}
		}, func(n int, units int) int { return n + units }))
}

// happening is an event of a test: its stream, type and value.
type happening struct {
	stream, typ string
	value       any
}

func happenings() []struct {
	name   string
	events []happening
	want   map[string]int
} {
	return []struct {
		name   string
		events []happening
		want   map[string]int
	}{
		{"the entity's row", []happening{{"counter-1", "counted", 1}, {"counter-2", "counted", 5}, {"counter-1", "counted", 2}}, map[string]int{"1": 3, "2": 5}},
		{"a key with dashes", []happening{{"counter-a-b", "counted", 1}}, map[string]int{"a-b": 1}},
		{"a stream without a key", []happening{{"counter", "counted", 1}}, map[string]int{"counter": 1}},
		{"no stream", []happening{{"", "counted", 1}}, map[string]int{}},
		{"a row removed", []happening{{"counter-1", "counted", 1}, {"counter-2", "counted", 1}, {"counter-1", "closed", nil}}, map[string]int{"2": 1}},
		{"a row removed that never was", []happening{{"counter-1", "closed", map[string]int{}}}, map[string]int{}},
		{"a row that begins anew", []happening{{"counter-1", "counted", 1}, {"counter-1", "closed", "for good"}, {"counter-1", "counted", 5}}, map[string]int{"1": 5}},
		{"a key the event gives", []happening{{"a-1", "bought", credited{3, "north"}}, {"a-2", "bought", credited{4, "north"}}}, map[string]int{"north": 7}},
		{"no key", []happening{{"a-1", "bought", credited{3, ""}}}, map[string]int{}},
		{"several rows", []happening{{"o-1", "ordered", order{[]line{{"tea", 1}, {"cup", 2}, {"tea", 5}, {"", 9}}}}}, map[string]int{"tea": 6, "cup": 2}},
		{"none", []happening{{"o-1", "ordered", order{}}}, map[string]int{}},
		{"an event it does not fold", []happening{{"counter-1", "renamed", 1}}, map[string]int{}},
	}
}

func TestKeyed(t *testing.T) {
	t.Parallel()
	for _, test := range happenings() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				model := every()
				h := newHouse(t, model)
				h.run(t)
				var last carillon.Position
				for _, event := range test.events {
					last = h.append(t, event.stream, event.typ, event.value)
				}
				h.wait(t, "every", last)
				if diff := cmp.Diff(test.want, rowsOf(t, model, h)); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestFold folds the same without an engine.
func TestFold(t *testing.T) {
	t.Parallel()
	for _, test := range happenings() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rows := make(map[string]int)
			for _, event := range test.events {
				recorded := carillon.Recorded{Message: message(t, event.typ, event.value), Stream: event.stream}
				if err := every().Fold(codec.JSON(), rows, recorded); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.want, rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
	if err := every().Fold(codec.JSON(), map[string]int{}, carillon.Recorded{Message: message(t, "counted", "one")}); err == nil {
		t.Error("a payload of another type was folded")
	}
}

// TestRowVersions: the row of an entity has its stream's version, any other has none.
func TestRowVersions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model := every()
		h := newHouse(t, model)
		h.run(t)
		h.append(t, "counter-1", "counted", 1)
		h.append(t, "counter-1", "renamed", 1)
		last := h.append(t, "counter-1", "counted", 1)
		last = max(last, h.append(t, "counter-2", "bought", credited{1, "north"}))
		h.wait(t, "every", last)
		view := projection.NewView(model, h.ReadModels(), codec.JSON())
		for key, want := range map[string]projection.Entry[int]{
			"1": {Key: "1", State: 2, Version: 3}, "north": {Key: "north", State: 1},
		} {
			if got, err := view.Get(t.Context(), key); got != want || err != nil {
				t.Errorf("row %+v, error %v, want %+v", got, err, want)
			}
		}
	})
}

// TestTheEventsKeyComesFirst: a key that an event carries is the row's, whatever its stream is called.
func TestTheEventsKeyComesFirst(t *testing.T) {
	t.Parallel()
	rows := make(map[string]int)
	event := carillon.Recorded{Message: message(t, "counted", 1), Stream: "gift-card-7"}
	event.Key = "7"
	if err := every().Fold(codec.JSON(), rows, event); err != nil || rows["7"] != 1 {
		t.Errorf("rows %v, error %v", rows, err)
	}
}

func TestMistakesInAKeyedProjection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		model projection.Definition
		says  string
	}{
		{"a bad name", projection.Keyed("1", projection.On("a", balance.Opened)), `projection "1": type "1"`},
		{"nothing to fold", projection.Keyed[balance]("a"), "it folds at least one event type"},
		{"an event twice", projection.Keyed("a", projection.On("e", balance.Opened), projection.Remove[balance]("e")), `event "e": it is folded twice`},
		{"a bad event", projection.Keyed("a", projection.On("e e", balance.Opened)), `type "e e"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := newHouse(t).engine.Add(test.model)
			if !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

func TestDescribeAKeyedProjection(t *testing.T) {
	t.Parallel()
	want := carillon.Description{Kind: "projection", Name: "every", Accepts: []string{"bought", "closed", "counted", "ordered"}}
	if diff := cmp.Diff(want, every().Describe()); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}
