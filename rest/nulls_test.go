package rest

import (
	"encoding/json"
	"testing"
	"time"
)

type (
	tree struct {
		Leaves   []string        `json:"leaves"`
		Branches []tree          `json:"branches"`
		Parent   *tree           `json:"parent"`
		ByName   map[string]tree `json:"by_name,omitempty"`
		Any      any             `json:"any,omitempty"`
	}
	hidden struct {
		Shown []int `json:"shown"`
	}
	mixed struct {
		hidden
		Raw     json.RawMessage `json:"raw"`
		Bytes   []byte          `json:"bytes"`
		Left    []int           `json:"left,omitempty"`
		Zero    []int           `json:"zero,omitzero"`
		When    time.Time       `json:"when"`
		Pair    [2][]int        `json:"pair"`
		private []int
	}
)

func TestWithoutNulls(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"nothing", nil, "null"},
		{"number", 7, "7"},
		{"nil list", []int(nil), "[]"},
		{"list", []int{1}, "[1]"},
		{"list of lists", [][]int{nil, {1}}, "[[],[1]]"},
		{"nil map", map[string]int(nil), "{}"},
		{"map of lists", map[string][]int{"a": nil}, `{"a":[]}`},
		{"nil pointer", (*tree)(nil), "null"},
		{"tree", tree{Branches: []tree{{}}, Parent: &tree{}, Any: []int(nil)}, `{"leaves":[],"branches":[{"leaves":[],"branches":[],"parent":null}],` +
			`"parent":{"leaves":[],"branches":[],"parent":null},"any":[]}`},
		{
			"map of trees",
			tree{ByName: map[string]tree{"a": {}}},
			`{"leaves":[],"branches":[],"parent":null,"by_name":{"a":{"leaves":[],"branches":[],"parent":null}}}`,
		},
		{"mixed", mixed{private: nil}, `{"shown":[],"raw":null,"bytes":"","when":"0001-01-01T00:00:00Z","pair":[[],[]]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(withoutNulls(test.value))
			if err != nil || string(got) != test.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestWithoutNullsLeavesTheValueAlone(t *testing.T) {
	t.Parallel()
	inner := &tree{}
	outer := tree{Branches: []tree{{}}, Parent: inner, ByName: map[string]tree{"a": {}}}
	withoutNulls(outer)
	withoutNulls(&outer)
	if outer.Leaves != nil || outer.Branches[0].Leaves != nil || inner.Leaves != nil || outer.ByName["a"].Leaves != nil {
		t.Errorf("the value was changed: %+v", outer)
	}
}

// TestEndlessValues checks that a value that holds itself is an error, not the end of the process.
func TestEndlessValues(t *testing.T) {
	t.Parallel()
	endless := &tree{Leaves: []string{"a"}}
	endless.Branches = []tree{{Parent: endless}, {Parent: endless}, {Parent: endless}}
	endless.Parent = endless
	list := []any{nil, nil}
	list[0], list[1] = list, list
	for name, value := range map[string]any{"tree": endless, "list": list} {
		if _, err := encode(value); err == nil {
			t.Errorf("an endless %s was encoded", name)
		}
	}
}
