package eventtest

import (
	"math"
	"testing"
	"time"
)

type (
	inner struct {
		text string
		at   time.Time
		raw  []byte
		next *inner
	}
	outer struct {
		Any    any
		Number int8
		Named  named
		Took   time.Duration
		Map    map[string][]int
		Inner  *inner
		Do     func()
	}
	named string
)

func TestText(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	itself := &inner{text: "a"}
	itself.next = itself
	tests := []struct {
		name  string
		value any
		want  string
	}{
		{"nothing", nil, "nil"},
		{"text", "a\n", `"a\n"`},
		{"a number", 1, "int(1)"},
		{"a number of its own type", named("a"), `eventtest.named("a")`},
		{"not a number", math.NaN(), "float64(NaN)"},
		{"a complex number", 1i, "complex128((0+1i))"},
		{"a truth", true, "true"},
		{"an unsigned number", uint8(3), "uint8(3)"},
		{"a time", noon.In(time.FixedZone("elsewhere", 3600)), "2026-01-02T12:00:00Z"},
		{"bytes", []byte("{}"), `[]uint8("{}")`},
		{"bytes that are no text", []byte{0xff}, "[]uint8{\n  255,\n}"},
		{"an empty struct", struct{}{}, "struct {}{}"},
		{"an array", [2]bool{true, false}, "[2]bool{\n  true,\n  false,\n}"},
		{"a map, in order", map[int]string{2: "b", 1: "a"}, "map[int]string{\n  1: \"a\",\n  2: \"b\",\n}"},
		{"a value that holds itself", itself, "&eventtest.inner{\n  text: \"a\",\n  at: time.Time(0, 0),\n  raw: []uint8(\"\"),\n  next: (itself),\n}"},
		{
			"everything",
			outer{
				Any: named("x"), Number: 1, Named: "n", Took: time.Second, Map: map[string][]int{"a": {1}},
				Inner: &inner{raw: []byte("{}")},
			},
			`eventtest.outer{
  Any: eventtest.named("x"),
  Number: 1,
  Named: "n",
  Took: 1s,
  Map: map[string][]int{
    "a": []int{
      1,
    },
  },
  Inner: &eventtest.inner{
    text: "",
    at: time.Time(0, 0),
    raw: []uint8("{}"),
    next: nil,
  },
  Do: func()(false),
}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := text(test.value); got != test.want {
				t.Errorf("%s", lines(test.want, got))
			}
		})
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	now := time.Now()
	tests := []struct {
		name string
		a, b any
		same bool
	}{
		{"empty and nil lists", []int{}, []int(nil), true},
		{"empty and nil maps", outer{Map: map[string][]int{}}, outer{}, true},
		{"pointers to the same", &outer{Number: 1}, &outer{Number: 1}, true},
		{"a time in another zone", noon, noon.In(time.FixedZone("elsewhere", 3600)), true},
		{"a time without its monotonic part", now, now.Round(0), true},
		{"another time", noon, noon.Add(1), false},
		{"a field that is not exported", inner{text: "a"}, inner{text: "b"}, false},
		{"a time that is not exported", inner{at: noon}, inner{at: noon.Add(1)}, false},
		{"another type of the same shape", named("a"), "a", false},
		{"a number of another type", outer{Any: 1}, outer{Any: 1.0}, false},
		{"nil and a pointer", outer{}, outer{Inner: &inner{}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := same(test.a, test.b); got != test.same {
				t.Errorf("same is %v\n%s", got, difference(test.b, test.a))
			}
		})
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	const want = `  (- want, + got)
    a
  - b
  + x
    c
  + d`
	if got := lines("a\nb\nc", "a\nx\nc\nd"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
