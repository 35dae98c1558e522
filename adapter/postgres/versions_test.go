package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

// What was learnt holds as long as positions follow on each other; an append of somebody else makes it worthless.
func TestVersions(t *testing.T) {
	t.Parallel()
	done := func(first, version int64) carillon.Verdict {
		return carillon.Verdict{Appended: carillon.Appended{First: carillon.Position(first), Last: carillon.Position(first), Version: version}}
	}
	to := func(streams ...string) (appends []carillon.Append) {
		for _, stream := range streams {
			appends = append(appends, carillon.Append{Stream: stream})
		}
		return appends
	}
	refused := carillon.Verdict{Err: carillon.ErrConflict}
	again := done(1, 1)
	again.Appended.Duplicate = true
	for _, test := range []struct {
		name     string
		streams  []string
		verdicts []carillon.Verdict
		head     carillon.Position
		want     map[string]int64
	}{
		{"what follows is added", []string{"a", "b"}, []carillon.Verdict{done(6, 4), done(7, 1)}, 7, map[string]int64{"a": 4, "b": 1}},
		{"what does not follow begins anew", []string{"b"}, []carillon.Verdict{done(7, 1)}, 7, map[string]int64{"b": 1}},
		{"what is refused changes nothing", []string{"a"}, []carillon.Verdict{refused}, 5, map[string]int64{"a": 3}},
		{"what was appended before changes nothing", []string{"b"}, []carillon.Verdict{again}, 5, map[string]int64{"a": 3}},
		{"what is learnt late changes nothing", []string{"a"}, []carillon.Verdict{done(5, 2)}, 5, map[string]int64{"a": 3}},
		{"an append without a stream moves the head", []string{""}, []carillon.Verdict{done(6, 0)}, 6, map[string]int64{"a": 3}},
	} {
		v := versions{head: 5, byStream: map[string]int64{"a": 3}}
		v.learn(to(test.streams...), test.verdicts)
		if diff := cmp.Diff(test.want, v.byStream); diff != "" || v.head != test.head {
			t.Errorf("%s: head %d, want %d; versions (-want +got):\n%s", test.name, v.head, test.head, diff)
		}
	}
}

// Streams whose versions are known are not looked up, and one that has another is not appended to.
func TestVersionsCheck(t *testing.T) {
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
		v := versions{head: 5, byStream: map[string]int64{"a": 3}}
		p := plain{streams: test.streams}
		for range test.streams {
			p.expected = append(p.expected, test.expect)
		}
		head, ok := v.check(&p)
		if ok != test.ok || head != test.head || ok && !cmp.Equal(test.left, p.streams) {
			t.Errorf("%s: head %d, %t, left %v", test.name, head, ok, p.streams)
		}
	}
}

// Another process appends to a stream that this one knows: the next batch goes by what is in the log.
func TestVersionsBesideAnotherProcess(t *testing.T) {
	t.Parallel()
	s, appends := shortAppends(t, 3)
	other, err := s.source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
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
