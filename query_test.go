package carillon_test

import (
	"errors"
	"testing"

	"github.com/carillon-go/carillon"
)

func TestQueryMatches(t *testing.T) {
	t.Parallel()
	both := carillon.Query{Items: []carillon.Item{
		{Types: []string{"a", "b"}, Tags: []carillon.Tag{"x:1", "y:1"}},
		{Types: []string{"c"}},
	}}
	tests := []struct {
		name  string
		query carillon.Query
		typ   string
		tags  []carillon.Tag
		want  bool
	}{
		{"no items match everything", carillon.AllEvents(), "a", nil, true},
		{"one of the types", carillon.ByTypes("a", "b"), "b", nil, true},
		{"none of the types", carillon.ByTypes("a", "b"), "c", nil, false},
		{"a type is not a prefix", carillon.ByTypes("a"), "ab", nil, false},
		{"all of the tags", carillon.ByTags("x:1", "y:1"), "a", []carillon.Tag{"y:1", "z:1", "x:1"}, true},
		{"not all of the tags", carillon.ByTags("x:1", "y:1"), "a", []carillon.Tag{"x:1"}, false},
		{"no tags", carillon.ByTags("x:1"), "a", nil, false},
		{"types and tags", both, "b", []carillon.Tag{"x:1", "y:1"}, true},
		{"types without tags", both, "b", []carillon.Tag{"x:1"}, false},
		{"tags without types", both, "d", []carillon.Tag{"x:1", "y:1"}, false},
		{"the second item", both, "c", nil, true},
		{"an item of no types and no tags", carillon.Query{Items: []carillon.Item{{}}}, "a", nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.query.Matches(test.typ, test.tags); got != test.want {
				t.Errorf("Matches(%q, %q) = %v, want %v", test.typ, test.tags, got, test.want)
			}
		})
	}
}

func TestQueryCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		query carillon.Query
		valid bool
	}{
		{"everything", carillon.AllEvents(), true},
		{"types", carillon.ByTypes("a"), true},
		{"tags", carillon.ByTags("a:1"), true},
		{"types of none", carillon.ByTypes(), false},
		{"tags of none", carillon.ByTags(), false},
		{"a bad type", carillon.ByTypes("a", "1"), false},
		{"a bad tag", carillon.ByTags("a:1", "b"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.query.Check()
			if test.valid && err != nil || !test.valid && !errors.Is(err, carillon.ErrInvalid) {
				t.Errorf("error %v, valid is %v", err, test.valid)
			}
		})
	}
}
