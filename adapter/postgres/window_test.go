package postgres

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

// windowOf is a window behind position 2 with a head of 5.
func windowOf() *window {
	return &window{after: 2, head: 5, versions: map[string]int64{"a": 3}, lasts: lasts{
		tags: map[carillon.Tag]carillon.Position{"k:1": 3, "k:2": 5}, types: map[string]carillon.Position{"opened": 4},
	}}
}

// What was learnt holds as long as positions follow on each other; an append of somebody else makes it worthless.
func TestWindow(t *testing.T) {
	t.Parallel()
	done := func(first, version int64) carillon.Verdict {
		return carillon.Verdict{Appended: carillon.Appended{First: carillon.Position(first), Last: carillon.Position(first), Version: version}}
	}
	to := func(streams ...string) (appends []carillon.Append) {
		for _, stream := range streams {
			appends = append(appends, carillon.Append{
				Stream: stream, Events: []carillon.Message{{Type: "closed", Tags: []carillon.Tag{"k:1"}}},
			})
		}
		return appends
	}
	refused := carillon.Verdict{Err: carillon.ErrConflict}
	again := done(1, 1)
	again.Appended.Duplicate = true
	for _, test := range []struct {
		name        string
		streams     []string
		verdicts    []carillon.Verdict
		after, head carillon.Position
		versions    map[string]int64
		tag, closed carillon.Position // where they are last
		opened      bool              // whether that is still known
	}{
		{"what follows is added", []string{"a", "b"}, []carillon.Verdict{done(6, 4), done(7, 1)}, 2, 7, map[string]int64{"a": 4, "b": 1}, 7, 7, true},
		{"what does not follow begins anew", []string{"b"}, []carillon.Verdict{done(7, 1)}, 6, 7, map[string]int64{"b": 1}, 7, 7, false},
		{"what is refused changes nothing", []string{"a"}, []carillon.Verdict{refused}, 2, 5, map[string]int64{"a": 3}, 3, 0, true},
		{"what was appended before changes nothing", []string{"b"}, []carillon.Verdict{again}, 2, 5, map[string]int64{"a": 3}, 3, 0, true},
		{"what is learnt late changes nothing", []string{"a"}, []carillon.Verdict{done(5, 2)}, 2, 5, map[string]int64{"a": 3}, 3, 0, true},
		{"an append without a stream is added", []string{""}, []carillon.Verdict{done(6, 0)}, 2, 6, map[string]int64{"a": 3}, 6, 6, true},
	} {
		w := windowOf()
		w.learn(to(test.streams...), test.verdicts)
		if diff := cmp.Diff(test.versions, w.versions); diff != "" || w.head != test.head || w.after != test.after {
			t.Errorf("%s: from %d to %d, want from %d to %d; versions (-want +got):\n%s", test.name, w.after, w.head, test.after, test.head, diff)
		}
		_, opened := w.lasts.types["opened"]
		if w.lasts.tags["k:1"] != test.tag || w.lasts.types["closed"] != test.closed || opened != test.opened {
			t.Errorf("%s: tags %v, types %v", test.name, w.lasts.tags, w.lasts.types)
		}
	}
}

// A window that knows much begins anew.
func TestWindowIsBounded(t *testing.T) {
	t.Parallel()
	var w window
	for position := carillon.Position(1); position <= 2*maxWindow; position++ {
		a := carillon.Append{Events: []carillon.Message{{Type: "opened", Tags: []carillon.Tag{carillon.Tag(fmt.Sprint("k:", position))}}}}
		w.learn([]carillon.Append{a}, []carillon.Verdict{{Appended: carillon.Appended{First: position, Last: position}}})
		if known := carillon.Position(len(w.lasts.tags)); known > maxWindow || w.after+known != position || w.head != position {
			t.Fatalf("at position %d it knows %d tags behind %d", position, known, w.after)
		}
	}
}

// Streams whose versions are known are not looked up, and one that has another is not appended to.
func TestWindowCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		streams []string
		expect  int64
		left    []string
		head    carillon.Position
		ok      bool
	}{
		{"all known", []string{"a"}, 3, []string{}, 5, true},
		{"one known", []string{"b", "a", "c"}, 3, []string{"b", "c"}, 5, true},
		{"none known", []string{"b", "c"}, 3, []string{"b", "c"}, -1, true},
		{"another version", []string{"b", "a"}, 2, nil, 0, false},
	} {
		l := layout{streams: test.streams}
		for range test.streams {
			l.expected = append(l.expected, test.expect)
		}
		head, ok := windowOf().check(&l)
		if ok != test.ok || head != test.head || ok && !cmp.Equal(test.left, l.streams) {
			t.Errorf("%s: head %d, %t, left %v", test.name, head, ok, l.streams)
		}
	}
}

// A condition holds for sure where nothing behind its position can be what it asks for.
func TestWindowAllows(t *testing.T) {
	t.Parallel()
	item := func(types []string, tags ...carillon.Tag) carillon.Query {
		return carillon.Query{Items: []carillon.Item{{Types: types, Tags: tags}}}
	}
	for _, test := range []struct {
		name  string
		query carillon.Query
		after carillon.Position
		want  bool
	}{
		{"a tag that is behind", item(nil, "k:2"), 4, false},
		{"a tag that is before", item(nil, "k:1"), 3, true},
		{"a tag that is nowhere", item(nil, "k:3"), 2, true},
		{"a tag, further back than is known", item(nil, "k:3"), 1, false},
		{"two tags, one of them before", item(nil, "k:1", "k:2"), 4, true},
		{"two tags behind", item(nil, "k:1", "k:2"), 2, false},
		{"a type that is behind", item([]string{"opened"}), 3, false},
		{"a type that is before", item([]string{"opened"}), 4, true},
		{"types, one of them behind", item([]string{"closed", "opened"}), 3, false},
		{"a tag behind, of a type that is before", item([]string{"opened"}, "k:2"), 4, true},
		{"two items, one of them behind", carillon.Query{Items: []carillon.Item{{Tags: []carillon.Tag{"k:1"}}, {Tags: []carillon.Tag{"k:2"}}}}, 4, false},
		{"everything", carillon.Query{}, 4, false},
		{"everything, and nothing is behind", carillon.Query{}, 5, true},
	} {
		if got := windowOf().allows(&carillon.Condition{Query: test.query, After: test.after}); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
	if (&window{}).allows(&carillon.Condition{Query: item(nil, "k:3")}) {
		t.Error("a process that has appended nothing knows that a condition holds")
	}
	condition := layout{conditions: []*carillon.Condition{{Query: item(nil, "k:3"), After: 2}}}
	if head, ok := windowOf().check(&condition); head != 5 || !ok {
		t.Errorf("what holds by the window goes with head %d, %t, want 5, the window's", head, ok)
	}
}

// Another process appends to a stream that this one knows: the next batch goes by what is in the log.
func TestWindowBesideAnotherProcess(t *testing.T) {
	t.Parallel()
	s, appends := shortAppends(t, 3)
	other := openSource(t, s.source)
	for version := range int64(4) {
		for i := range appends {
			appends[i].Expect = carillon.Exactly(version)
		}
		from := s.Log()
		if version == 2 {
			from = other.Log()
		}
		verdicts, err := from.Append(t.Context(), appends)
		if err != nil {
			t.Fatal(err)
		}
		for i, verdict := range verdicts {
			if want := carillon.Position(version*3 + int64(i) + 1); verdict.Err != nil || verdict.Appended.First != want {
				t.Errorf("version %d of stream %s: %+v, want position %d", version+1, appends[i].Stream, verdict, want)
			}
		}
	}
	for i := range appends {
		appends[i].Expect = carillon.Exactly(4 - int64(i%2))
	}
	verdicts, err := s.Log().Append(t.Context(), appends)
	if err != nil || verdicts[0].Err != nil || verdicts[1].Err == nil || verdicts[2].Err != nil {
		t.Errorf("one at a wrong version among others: %+v, %v", verdicts, err)
	}
}

// A condition that this process knows to hold is decided by what is in the log when another process has appended meanwhile, and what was
// appended with tags is found by them.
func TestConditionsBesideAnotherProcess(t *testing.T) {
	t.Parallel()
	s, appends := shortAppends(t, 2)
	other := openSource(t, s.source)
	of := func(tag carillon.Tag) carillon.Query {
		return carillon.Query{Items: []carillon.Item{{Tags: []carillon.Tag{tag}}}}
	}
	for i, tag := range []carillon.Tag{"k:1", "k:2"} {
		appends[i].Stream, appends[i].Expect, appends[i].Events[0].Tags = "", carillon.Expect{}, []carillon.Tag{tag, "all:1"}
	}
	if _, err := s.Log().Append(t.Context(), appends); err != nil {
		t.Fatal(err)
	}
	appends[0].Condition = &carillon.Condition{Query: of("k:1"), After: 1}
	appends[1].Condition = &carillon.Condition{Query: of("k:2"), After: 2}
	verdicts, err := s.appendShort(t.Context(), appends, shortNumber, nil)
	if err != nil || len(verdicts) != 2 || verdicts[0].Appended.First != 3 || verdicts[1].Appended.First != 4 {
		t.Fatalf("what this process knows to hold is not appended with the short statement: %+v, %v", verdicts, err)
	}
	s.window.learn(appends, verdicts)
	if _, err := other.Log().Append(t.Context(), []carillon.Append{{Events: appends[0].Events}}); err != nil {
		t.Fatal(err)
	}
	appends[0].Condition.After, appends[1].Condition.After = 3, 4
	if verdicts, err := s.appendShort(t.Context(), appends, shortNumber+1, nil); verdicts != nil || err != nil {
		t.Errorf("behind another process the short statement appends: %+v, %v", verdicts, err)
	}
	verdicts, err = s.Log().Append(t.Context(), appends)
	if err != nil || !errors.Is(verdicts[0].Err, carillon.ErrConflict) || verdicts[1].Err != nil || verdicts[1].Appended.First != 6 {
		t.Errorf("another process appended to the first boundary: %+v, %v", verdicts, err)
	}
	for tag, want := range map[carillon.Tag][]carillon.Position{"k:1": {1, 3, 5}, "k:2": {2, 4, 6}, "all:1": {1, 2, 3, 4, 5, 6}} {
		page, err := s.Log().Read(t.Context(), of(tag), 0, 10)
		var got []carillon.Position
		for _, event := range page.Events {
			got = append(got, event.Position)
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tag, err, diff)
		}
	}
}
