package rest_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/rest"
)

// FuzzQuery asks with any path and query string: the answer is a result or a problem that says what is wrong, never a failure.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"must=x", "must=x&top=5&from=2026-01-31&by=pence&least=1", "top=0", "%zz", "a;b", "must=x&must=y", "tag=a&tag=b"} {
		f.Add("7", seed)
	}
	said := cqrs.Query("search", describeSearch)
	service := app.New(memory.Volatile(), said, app.LogTo(slog.New(slog.DiscardHandler)))
	go func() { _ = service.Run(f.Context()) }()
	running, err := service.Running(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	handler, err := rest.Handler(running, rest.Query[Search]("GET /branches/{branch}/accounts"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, branch, query string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		request.URL = &url.URL{Path: "/branches/" + branch + "/accounts", RawPath: "/branches/" + url.PathEscape(branch) + "/accounts", RawQuery: query}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code >= 500 {
			t.Errorf("%q, %q: status %d: %s", branch, query, recorder.Code, recorder.Body)
		}
		if body := recorder.Body.Bytes(); recorder.Code < 300 || recorder.Code >= 400 {
			if !json.Valid(body) {
				t.Errorf("%q, %q: status %d, the body is no JSON: %q", branch, query, recorder.Code, body)
			}
		}
	})
}
