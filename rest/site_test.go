package rest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
)

func TestPartsThatDoNotFit(t *testing.T) {
	t.Parallel()
	type Unread struct{ Of Balance }
	type Odd struct {
		Age int `json:"age" minimum:"young"`
	}
	model, stranger := balances(), projection.Keyed("strangers", projection.On("account.opened", Balance.Opened))
	running := run(t, memory.Volatile(), accounts(), model,
		cqrs.Query("unread", func(context.Context, Unread) (int, error) { return 0, nil }),
		cqrs.Query("odd", func(context.Context, Odd) (int, error) { return 0, nil }),
		projection.Query("stranger", stranger, func(context.Context, projection.View[Balance], Largest) (int, error) { return 0, nil }))
	for _, test := range []struct {
		name  string
		parts []rest.Part
		want  string
	}{
		{"unknown type", []rest.Part{rest.Command[Slow]("POST /slow")}, `endpoint "POST /slow": nothing in the service handles the command rest_test.Slow: hand its decider or query to app.New`},
		{"command as query", []rest.Part{rest.Query[Open]("GET /accounts")}, "rest_test.Open is a command"},
		{"query as command", []rest.Part{rest.Command[Odd]("POST /odd")}, "rest_test.Odd is a query"},
		{"pointer", []rest.Part{rest.Command[*Open]("POST /accounts")}, "a command is a struct, *rest_test.Open is none"},
		{"no method", []rest.Part{rest.Command[Open]("/accounts")}, "a pattern is a method and a path"},
		{"no path", []rest.Part{rest.Command[Open]("POST accounts")}, "a pattern is a method and a path"},
		{"reading method", []rest.Part{rest.Command[Open]("GET /accounts")}, "its method is one of POST, PUT, PATCH, DELETE"},
		{"changing method", []rest.Part{rest.Query[Odd]("POST /odd")}, "its method is one of GET"},
		{"slash", []rest.Part{rest.Command[Open]("POST /accounts/")}, "end it in {$}"},
		{"half a segment", []rest.Part{rest.Command[Open]("POST /accounts/a{id}")}, "a parameter is a whole segment"},
		{"twice in a path", []rest.Part{rest.Command[Open]("POST /{id}/{id}")}, "parameter {id} stands twice"},
		{"no field", []rest.Part{rest.Command[Open]("POST /accounts/{number}")}, "rest_test.Open has no field for the path's {number}"},
		{"field of a list", []rest.Part{rest.Command[Open]("POST /accounts/{notes}")}, "field Notes of rest_test.Open cannot be read from a path"},
		{"field of an object", []rest.Part{rest.Query[Unread]("GET /unread")}, "field Of of rest_test.Unread cannot be read from a query string"},
		{"bad tag", []rest.Part{rest.Query[Odd]("GET /odd")}, "minimum"},
		{"served twice", []rest.Part{rest.Command[Open]("POST /a"), rest.Command[Close]("POST /a")}, `pattern "POST /a": it is served twice`},
		{"conflict", []rest.Part{rest.Command[Open]("POST /a/{id}"), rest.Mount("/{b}/x", http.NotFoundHandler())}, "conflicts with pattern"},
		{"own pages", []rest.Part{rest.Mount("GET /docs", http.NotFoundHandler())}, "/docs and /openapi.json are the service's own"},
		{"no key", []rest.Part{rest.Get("GET /balances", model)}, "its path has one parameter"},
		{"unknown model", []rest.Part{rest.Get("GET /strangers/{id}", stranger)}, `the read model "strangers", which is no part of the service`},
		{"model of a query", []rest.Part{rest.Query[Largest]("GET /strangers")}, `the read model "strangers", which is no part of the service`},
		{"location", []rest.Part{rest.Command[Open]("POST /a", rest.Location("/a/{number}"))}, `has no plain field "number"`},
		{"location of a query", []rest.Part{rest.Query[Odd]("GET /odd", rest.Location("/a"))}, "for commands"},
		{"completes another", []rest.Part{rest.Command[Open]("POST /a", rest.Complete(func(c Close, _ string) Close { return c }))}, "Complete completes a rest_test.Close"},
		{"empty part", []rest.Part{{}}, "a setting"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := rest.Handler(running, test.parts...)
			if !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v\nwant %q in it", err, test.want)
			}
		})
	}
}

func TestMountedHandlers(t *testing.T) {
	t.Parallel()
	parts, served := bank()
	page := http.NewServeMux()
	page.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<h1>Bank</h1>"))
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
	})
	page.HandleFunc("GET /own", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<h1>Lost</h1>"))
	})
	handler := handlerOf(t, parts, append(served, rest.Mount("GET /", page))...)

	got := must(t, handler, 200, http.MethodGet, "/", "")
	if got.body != "<h1>Bank</h1>" || !strings.HasPrefix(got.header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Errorf("body %s, headers %v", got.body, got.header)
	}
	if got := must(t, handler, 404, http.MethodGet, "/own", ""); got.body != "<h1>Lost</h1>" {
		t.Errorf("a handler's own page is answered as %s", got.body)
	}
	wantProblem(t, send(t, handler, http.MethodGet, "/lost", ""), rest.ProblemUnknownRoute, 404)
	wantProblem(t, send(t, handler, http.MethodPost, "/lost", "{}"), rest.ProblemMethodNotAllowed, 405)
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`)
	must(t, handler, 200, http.MethodGet, "/docs", "")
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	for _, target := range []string{"/accounts/1", "/nothing", "/docs", "/openapi.json"} {
		got := send(t, handler, http.MethodGet, target, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got.header.Get(name), want)
			}
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: policy %q", target, policy)
		}
		if got.header.Get("Cache-Control") == "" {
			t.Errorf("%s: no Cache-Control", target)
		}
	}
}

// TestUntaggedFields checks that fields without tags go by their Go names, and that a path finds them in any case.
func TestUntaggedFields(t *testing.T) {
	t.Parallel()
	handler := handlerOf(t, []carillon.Describer{accounts()}, rest.Command[Close]("POST /closings"), rest.Command[Close]("DELETE /accounts/{id}"))
	must(t, handler, 200, http.MethodPost, "/closings", `{"ID":"1"}`)
	wantProblem(t, send(t, handler, http.MethodPost, "/closings", `{"id":"1"}`), rest.ProblemInvalid, 422)
	must(t, handler, 200, http.MethodDelete, "/accounts/1", "")
	must(t, handler, 200, http.MethodDelete, "/accounts/1", `{"ID":"1"}`)
	wantProblem(t, send(t, handler, http.MethodDelete, "/accounts/1", `{"ID":"2"}`), rest.ProblemInvalid, 422)
}
