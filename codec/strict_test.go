package codec_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
)

type (
	price int64

	item struct {
		Code  string `json:"code"`
		Price price  `json:"price"`
	}
	document struct {
		ID   string    `json:"id,omitempty"`
		Date time.Time `json:"date,omitzero"`
	}
	named   struct{ Inner string }
	request struct {
		document
		Named  named           `json:"named"`
		Lines  []item          `json:"lines"`
		ByName map[string]item `json:"by_name"`
		First  *item           `json:"first"`
		Raw    json.RawMessage `json:"raw"`
		Any    any             `json:"any"`
		Secret string          `json:"-"`
		Plain  int
		hidden int
	}
)

func (p *price) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("a price has digits")
	}
	*p = price(len(text))
	return nil
}

func TestDecodeStrict(t *testing.T) {
	t.Parallel()
	const text = ` {"id":"1","date":"2026-01-31T12:00:00Z","named":{"Inner":"x"},"lines":[{"code":"a","price":"123"},{}],
		"by_name":{"Any Key":{"code":"b"}},"first":null,"raw":{"a":1},"any":{"A":[{}],"a":2},"Plain":3} `
	var got request
	if err := codec.DecodeStrict([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := request{
		document: document{ID: "1", Date: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)},
		Named:    named{Inner: "x"}, Lines: []item{{Code: "a", Price: 3}, {}}, ByName: map[string]item{"Any Key": {Code: "b"}},
		Raw: json.RawMessage(`{"a":1}`), Any: map[string]any{"A": []any{map[string]any{}}, "a": 2.0}, Plain: 3, hidden: 0,
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{}, document{})); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
}

func TestDecodeStrictRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		malformed  bool
		want       string // part of the error
	}{
		{"nothing", ``, true, "ends too early"},
		{"half", `{"id":"1"`, true, "ends too early"},
		{"half a string", `{"id":"1`, true, "ends too early"},
		{"no JSON", `id=1`, true, "invalid character"},
		{"comma", `{"id":"1",}`, true, "invalid character"},
		{"comment", `{"id":"1"} // one`, true, "data behind"},
		{"second document", `{} {}`, true, "data behind"},
		{"garbage behind", `{}x`, true, "data behind"},
		{"twice", `{"id":"1","id":"1"}`, true, `"id" stands twice`},
		{"twice in a list", `{"lines":[{"code":"a","code":"b"}]}`, true, `"code" stands twice`},
		{"twice in anything", `{"any":{"a":1,"a":2}}`, true, `"a" stands twice`},
		{"twice when unescaped", `{"any":{"a":1,"\u0061":2}}`, true, `"a" stands twice`},
		{"no UTF-8", "{\"id\":\"\xc3\x28\"}", true, "UTF-8"},
		{"too deep", `{"any":` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`, true, "deeper than 100"},
		{"unknown", `{"role":1}`, false, "field role: there is no such field"},
		{"unknown in a list", `{"lines":[{},{"role":1}]}`, false, "field lines.role: there is no such field"},
		{"unknown in a map", `{"by_name":{"x":{"role":1}}}`, false, "field by_name.x.role: there is no such field"},
		{"unknown in a pointer", `{"first":{"role":1}}`, false, "field first.role: there is no such field"},
		{"unknown in a struct", `{"named":{"inner":"x"}}`, false, "field named.inner: there is no such field"},
		{"other case", `{"ID":"1"}`, false, "field ID: there is no such field"},
		{"other case of a plain name", `{"plain":1}`, false, "field plain: there is no such field"},
		{"left out", `{"-":"x"}`, false, "field -: there is no such field"},
		{"Go name", `{"Secret":"x"}`, false, "field Secret: there is no such field"},
		{"unexported", `{"hidden":1}`, false, "field hidden: there is no such field"},
		{"embedded by name", `{"document":{}}`, false, "field document: there is no such field"},
		{"wrong type", `{"id":1}`, false, "field id: it cannot be a JSON number"},
		{"wrong type in a list", `{"lines":[{"code":1}]}`, false, "field lines.code: it cannot be a JSON number"},
		{"wrong type of all", `[]`, false, "body: it cannot be a JSON array"},
		{"text of its own", `{"lines":[{"price":""}]}`, false, "a price has digits"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := codec.DecodeStrict([]byte(test.text), &request{})
			if !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q in it", err, test.want)
			}
			if _, malformed := errors.AsType[*codec.MalformedError](err); malformed != test.malformed {
				t.Errorf("malformed %t, want %t: %v", malformed, test.malformed, err)
			}
		})
	}
}

func TestDecodeStrictAtTheDepthLimit(t *testing.T) {
	t.Parallel()
	var value any
	if err := codec.DecodeStrict([]byte(strings.Repeat(`[`, 100)+strings.Repeat(`]`, 100)), &value); err != nil {
		t.Error(err)
	}
}

// FuzzDecodeStrict checks that what is accepted is what encoding/json accepts, and that errors are of one kind.
func FuzzDecodeStrict(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","lines":[{"code":"a","price":"123"}]}`, `{"any":{"a":1,"a":2}}`, `{"ID":1}`, `[[[]]]`, `{} {}`, `"\ud800"`, `{"a":1e999}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var strict, plain request
		err := codec.DecodeStrict(data, &strict)
		if err != nil {
			if !errors.Is(err, carillon.ErrInvalid) {
				t.Fatalf("error %v is no ErrInvalid", err)
			}
			return
		}
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if diff := cmp.Diff(plain, strict, cmp.AllowUnexported(request{}, document{})); diff != "" {
			t.Fatalf("difference (-encoding/json +strict):\n%s", diff)
		}
	})
}

func TestFields(t *testing.T) {
	t.Parallel()
	type Deeper struct{ Depth, Code int }
	type Embedded struct {
		Deeper
		Code string `json:"code"`
	}
	type outer struct {
		*Embedded
		Named  Embedded `json:"named"`
		Deeper `json:"deeper"`
		Code   int
		Gone   int `json:"-"`
		small  int
	}
	_ = outer{}.small
	var got []string
	for _, field := range codec.Fields(reflect.TypeFor[outer]()) {
		got = append(got, field.Key)
	}
	if diff := cmp.Diff([]string{"named", "deeper", "Code", "code", "Depth", "Code"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
