package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
)

// Level reads itself from text.
type Level int

func (l *Level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return fmt.Errorf("%q is neither low nor high", text)
	}
	return nil
}

type Paging struct {
	Top int `json:"top" default:"10" minimum:"1" maximum:"100"`
}

// Search has a parameter of each sort.
type Search struct {
	Paging
	Branch uint8     `json:"branch"`
	From   time.Time `json:"from"`
	By     string    `json:"by" enum:"owner,pence"`
	Open   *bool     `json:"open"`
	Least  float64   `json:"least"`
	Level  Level     `json:"level"`
	Tags   []string  `json:"tag"`
	Must   string    `json:"must" required:"true"`
}

func (q Search) Validate() error {
	if q.By == "pence" && q.Least == 0 {
		return errors.New("least: it goes with by=pence")
	}
	return nil
}

// describeSearch answers with what it was asked.
func describeSearch(_ context.Context, q Search) (string, error) {
	open := "-"
	if q.Open != nil {
		open = fmt.Sprint(*q.Open)
	}
	return fmt.Sprintf("top=%d branch=%d from=%s by=%s open=%s least=%g level=%d tags=%q must=%s",
		q.Top, q.Branch, q.From.Format(time.RFC3339), q.By, open, q.Least, q.Level, q.Tags, q.Must), nil
}

func search(t *testing.T) http.Handler {
	t.Helper()
	said := cqrs.Query("search", describeSearch)
	return handlerOf(t, []carillon.Describer{said}, rest.Query[Search]("GET /branches/{branch}/accounts"))
}

func TestQueryParameters(t *testing.T) {
	t.Parallel()
	handler := search(t)
	const none = "top=10 branch=7 from=0001-01-01T00:00:00Z by= open=- least=0 level=0 tags=[] must=x"
	for _, test := range []struct{ name, query, want string }{
		{"defaults", "must=x", none},
		{"empty reads as left out", "must=x&top=&from=&by=&open=&least=&level=&tag=", none},
		{
			"all", "must=x&top=5&from=2026-01-31T12:00:00%2B01:00&by=pence&open=false&least=2.5&level=high&tag=a&tag=b%20c",
			`top=5 branch=7 from=2026-01-31T12:00:00+01:00 by=pence open=false least=2.5 level=2 tags=["a" "b c"] must=x`,
		},
		{"day", "must=x&from=2026-01-31", strings.Replace(none, "0001-01-01T00:00:00Z", "2026-01-31T00:00:00Z", 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := must(t, handler, 200, http.MethodGet, "/branches/7/accounts?"+test.query, "")
			if want := strings.ReplaceAll(fmt.Sprintf("%q", test.want), "\\\\", "\\"); got.body != want {
				t.Errorf("got  %s\nwant %s", got.body, want)
			}
		})
	}
}

func TestWrongParameters(t *testing.T) {
	t.Parallel()
	handler := search(t)
	for _, test := range []struct {
		name, target, detail string
	}{
		{"required", "/branches/7/accounts", "query parameter must is required"},
		{"unknown", "/branches/7/accounts?must=x&Top=1", `There is no query parameter "Top" here, but from, by, open, `},
		{"path field", "/branches/7/accounts?must=x&branch=8", `There is no query parameter "branch"`},
		{"twice", "/branches/7/accounts?must=x&top=1&top=2", "query parameter top: it is given 2 times"},
		{"text for a number", "/branches/7/accounts?must=x&top=ten", `query parameter top: "ten" is no whole number`},
		{"below minimum", "/branches/7/accounts?must=x&top=0", "query parameter top: expected number >= 1"},
		{"above maximum", "/branches/7/accounts?must=x&top=101", "query parameter top: expected number <= 100"},
		{"not in the list", "/branches/7/accounts?must=x&by=age", "query parameter by: "},
		{"no boolean", "/branches/7/accounts?must=x&open=1", `query parameter open: "1" is neither true nor false`},
		{"no time", "/branches/7/accounts?must=x&from=today", `query parameter from: "today" is neither a time`},
		{"no fraction", "/branches/7/accounts?must=x&least=a", `query parameter least: "a" is no number`},
		{"no level", "/branches/7/accounts?must=x&level=mid", `query parameter level: "mid" is neither low nor high`},
		{"path", "/branches/256/accounts?must=x", `path parameter branch: "256" is no whole number from 0 up of 8 bits`},
		{"broken escape", "/branches/7/accounts?must=%zz", "The query string cannot be read"},
		{"semicolon", "/branches/7/accounts?must=x;top=1", "The query string cannot be read"},
		{"no UTF-8", "/branches/7/accounts?must=%ff", "query parameter must: it is not UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := wantProblem(t, send(t, handler, http.MethodGet, test.target, ""), rest.ProblemParameter, 400)
			if !strings.Contains(p.Detail, test.detail) {
				t.Errorf("detail %q, want %q in it", p.Detail, test.detail)
			}
		})
	}
	p := wantProblem(t, send(t, handler, http.MethodGet, "/branches/7/accounts?must=x&by=pence", ""), rest.ProblemInvalid, 422)
	if want := "least: it goes with by=pence"; p.Detail != want {
		t.Errorf("detail %q, want %q", p.Detail, want)
	}
}

type Largest struct{}

type Report struct {
	Rows   []Balance      `json:"rows"`
	ByName map[string]int `json:"by_name"`
	Spare  []string       `json:"spare,omitempty"`
}

func TestListsAreNeverNull(t *testing.T) {
	t.Parallel()
	model := balances()
	list := projection.Query("largest", model, func(context.Context, projection.View[Balance], Largest) ([]Balance, error) { return nil, nil })
	type Nested struct{}
	nested := cqrs.Query("nested", func(context.Context, Nested) (Report, error) { return Report{Rows: []Balance{{Owner: "Ada"}}}, nil })
	handler := handlerOf(t, []carillon.Describer{accounts(), model, list, nested},
		rest.Query[Largest]("GET /largest"), rest.Query[Nested]("GET /nested"))
	if got := must(t, handler, 200, http.MethodGet, "/largest", ""); got.body != "[]" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("body %s, headers %v", got.body, got.header)
	}
	const want = `{"rows":[{"owner":"Ada","pence":0,"notes":[]}],"by_name":{}}`
	if got := must(t, handler, 200, http.MethodGet, "/nested", ""); got.body != want {
		t.Errorf("body %s, want %s", got.body, want)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	position := must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"a/b","owner":"Ada"}`).header.Get(rest.HeaderPosition)
	got := must(t, handler, 200, http.MethodGet, "/accounts/a%2Fb", "", rest.HeaderPosition, position)
	if want := `{"owner":"Ada","pence":0,"notes":[]}`; got.body != want || got.header.Get("ETag") != `"1"` {
		t.Errorf("body %s, ETag %s", got.body, got.header.Get("ETag"))
	}
	for tag, status := range map[string]int{
		`"1"`: 304, `W/"1"`: 304, `"2", "1"`: 304, "*": 304, `"2"`: 200, "1": 200, "": 200,
	} {
		again := must(t, handler, status, http.MethodGet, "/accounts/a%2Fb", "", "If-None-Match", tag)
		if (again.body == "") != (status == 304) || again.header.Get("ETag") != `"1"` {
			t.Errorf("If-None-Match %s: %d, ETag %s, body %s", tag, again.status, again.header.Get("ETag"), again.body)
		}
	}
	p := wantProblem(t, send(t, handler, http.MethodGet, "/accounts/2", ""), rest.ProblemNotFound, 404)
	if want := `balances has no "2".`; p.Detail != want {
		t.Errorf("detail %q, want %q", p.Detail, want)
	}
	wantProblem(t, send(t, handler, http.MethodGet, "/accounts/a%2Fb?x=1", ""), rest.ProblemParameter, 400)
	if head := must(t, handler, 200, http.MethodHead, "/accounts/a%2Fb", ""); head.header.Get("ETag") != `"1"` {
		t.Errorf("HEAD: headers %v", head.header)
	}

	closed := must(t, handler, 200, http.MethodDelete, "/accounts/a%2Fb", "", "If-Match", got.header.Get("ETag")).header.Get(rest.HeaderPosition)
	wantProblem(t, send(t, handler, http.MethodGet, "/accounts/a%2Fb", "", rest.HeaderPosition, closed), rest.ProblemNotFound, 404)
}

func TestRowsWithoutAVersionHaveNoETag(t *testing.T) {
	t.Parallel()
	owners := projection.Keyed("owners", projection.By("account.opened",
		func(e Opened) string { return e.Owner }, func(n int, _ Opened) int { return n + 1 }))
	handler := handlerOf(t, []carillon.Describer{accounts(), owners}, rest.Command[Open]("POST /accounts"), rest.Get("GET /owners/{name}", owners))
	position := must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`).header.Get(rest.HeaderPosition)
	got := must(t, handler, 200, http.MethodGet, "/owners/Ada", "", rest.HeaderPosition, position)
	if tag, there := got.header["Etag"]; there || got.body != "1" {
		t.Errorf("body %s, ETag %v", got.body, tag)
	}
}
