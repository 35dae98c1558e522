package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/rest"
)

// wantProblem checks that an answer is a problem of a type with its status, and returns it.
func wantProblem(t *testing.T, got reply, problem string, status int) rest.Problem {
	t.Helper()
	var p rest.Problem
	if err := json.Unmarshal([]byte(got.body), &p); err != nil {
		t.Fatalf("status %d, body is no problem: %v: %s", got.status, err, got.body)
	}
	if p.Type != problem || p.Status != status || got.status != status {
		t.Fatalf("status %d, problem %s, want %d %s: %s", got.status, p.Type, status, problem, got.body)
	}
	if media := got.header.Get("Content-Type"); media != "application/problem+json" {
		t.Errorf("Content-Type %q, want application/problem+json", media)
	}
	if p.Title == "" || p.Detail == "" {
		t.Errorf("a problem has a title and a detail: %s", got.body)
	}
	return p
}

type fail struct{ How string }

func TestErrorsBecomeProblems(t *testing.T) {
	t.Parallel()
	const secret = "/var/lib/secret.db"
	inside := errors.New(secret)
	for _, test := range []struct {
		name    string
		err     error
		problem string
		status  int
		detail  string // part of it
	}{
		{"rejected", fmt.Errorf("%s: %w", secret, carillon.Rejectf("the till is shut")), rest.ProblemRejected, 409, "the till is shut"},
		{"conflict", fmt.Errorf("%s: %w", secret, &carillon.ConflictError{Guard: carillon.GuardCondition, Position: 7}), rest.ProblemConflict, 409, "Nothing was changed"},
		{"invalid", carillon.Invalidf("pence", "it is 1 or more"), rest.ProblemInvalid, 422, "pence: it is 1 or more"},
		{"invalid in words", fmt.Errorf("%w: %w", carillon.ErrInvalid, errors.New("owner: it is missing")), rest.ProblemInvalid, 422, "owner: it is missing"},
		{"command reused", carillon.ErrCommandReused, rest.ProblemKeyReused, 422, "fresh key"},
		{"too large", fmt.Errorf("%s: %w", secret, carillon.ErrTooLarge), rest.ProblemTooLarge, 413, "limits"},
		{"not found", fmt.Errorf("account 7: %w", carillon.ErrNotFound), rest.ProblemNotFound, 404, "account 7: not found"},
		{"outcome unknown", &carillon.OutcomeUnknownError{EventID: "e", Cause: inside}, rest.ProblemOutcomeUnknown, 503, "same Idempotency-Key is safe"},
		{"disk full", fmt.Errorf("%s: %w", secret, carillon.ErrDiskFull), rest.ProblemUnavailable, 503, "Nothing was changed"},
		{"closed", carillon.ErrClosed, rest.ProblemUnavailable, 503, "Nothing was changed"},
		{"unavailable", fmt.Errorf("%s: %w", secret, carillon.ErrUnavailable), rest.ProblemUnavailable, 503, "Nothing was changed"},
		{"busy", fmt.Errorf("%s: %w", secret, carillon.ErrBusy), rest.ProblemUnavailable, 503, "Nothing was changed"},
		{"cancelled", context.Canceled, rest.ProblemUnavailable, 503, "Nothing was changed"},
		{"timeout", fmt.Errorf("%s: %w", secret, carillon.ErrTimeout), rest.ProblemTimeout, 504, "later"},
		{"deadline", context.DeadlineExceeded, rest.ProblemTimeout, 504, "later"},
		{"unknown type", fmt.Errorf("%s: %w", secret, carillon.ErrUnknownType), rest.ProblemInternal, 500, "log"},
		{"unsupported", carillon.ErrUnsupported, rest.ProblemInternal, 500, "log"},
		{"corrupt", fmt.Errorf("%s: %w", secret, carillon.ErrCorrupt), rest.ProblemInternal, 500, "log"},
		{"anything else", inside, rest.ProblemInternal, 500, "log"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			failing := cqrs.Command("fail", func(context.Context, *carillon.Message, fail) (carillon.Appended, error) {
				return carillon.Appended{}, test.err
			})
			running := *run(t, memory.Volatile(), failing)
			running.Logger = slog.New(slog.NewTextHandler(&log, nil))
			handler, err := rest.Handler(&running, rest.Command[fail]("POST /fail"))
			if err != nil {
				t.Fatal(err)
			}
			got := send(t, handler, http.MethodPost, "/fail", `{"How":"so"}`)
			p := wantProblem(t, got, test.problem, test.status)
			if !strings.Contains(p.Detail, test.detail) {
				t.Errorf("detail %q, want %q in it", p.Detail, test.detail)
			}
			if strings.Contains(got.body, secret) {
				t.Errorf("the answer tells what is inside: %s", got.body)
			}
			if wait := got.header.Get("Retry-After"); (wait != "") != (test.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After %q with status %d", wait, test.status)
			}
			logged := log.String()
			if test.status < 500 {
				if p.Instance != "" || logged != "" {
					t.Errorf("a sender's mistake has instance %q and was logged: %s", p.Instance, logged)
				}
				return
			}
			id := strings.TrimPrefix(p.Instance, "urn:carillon:failure:")
			if id == "" || !strings.Contains(logged, id) || !strings.Contains(logged, test.err.Error()) {
				t.Errorf("instance %q, log lacks it or the cause: %s", p.Instance, logged)
			}
		})
	}
}

// Bomb panics when it is written.
type Bomb struct{}

func (Bomb) MarshalJSON() ([]byte, error) { panic("secret") }

func TestPanicsStayInside(t *testing.T) {
	t.Parallel()
	type unwritable struct{}
	panicking := cqrs.Command("fail", func(context.Context, *carillon.Message, fail) (carillon.Appended, error) { panic("secret") })
	bomb := cqrs.Query("bomb", func(context.Context, Slow) (Bomb, error) { return Bomb{}, nil })
	function := cqrs.Query("unwritable", func(context.Context, unwritable) (any, error) { return func() {}, nil })
	handler := handlerOf(t, []carillon.Describer{panicking, bomb, function},
		rest.Command[fail]("POST /fail"), rest.Query[Slow]("GET /bomb"), rest.Query[unwritable]("GET /unwritable"),
		rest.Command[fail]("POST /complete", rest.Complete(func(fail, string) fail { panic("secret") })))
	for _, target := range []string{"POST /fail", "POST /complete", "GET /bomb", "GET /unwritable"} {
		method, path, _ := strings.Cut(target, " ")
		body := ""
		if method == http.MethodPost {
			body = `{"How":"so"}`
		}
		got := send(t, handler, method, path, body)
		if p := wantProblem(t, got, rest.ProblemInternal, 500); strings.Contains(got.body, "secret") || p.Instance == "" {
			t.Errorf("%s: the answer to a panic: %s", target, got.body)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	wantProblem(t, send(t, handler, http.MethodGet, "/nothing", ""), rest.ProblemUnknownRoute, 404)
	wantProblem(t, send(t, handler, http.MethodPost, "/accounts/1/nothing", "{}"), rest.ProblemUnknownRoute, 404)
	got := send(t, handler, http.MethodPut, "/accounts/1", "{}")
	p := wantProblem(t, got, rest.ProblemMethodNotAllowed, 405)
	if allowed := got.header.Get("Allow"); allowed != "DELETE, GET, HEAD" || !strings.Contains(p.Detail, allowed) {
		t.Errorf("Allow %q, detail %q", allowed, p.Detail)
	}
	if got := send(t, handler, http.MethodGet, "/accounts//1", ""); got.status != http.StatusTemporaryRedirect || got.header.Get("Location") != "/accounts/1" {
		t.Errorf("an unclean path: %d to %q", got.status, got.header.Get("Location"))
	}
}

func TestOtherSitesMaySendNoCommands(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	const body = `{"id":"1","owner":"Ada"}`
	wantProblem(t, send(t, handler, http.MethodPost, "/accounts", body, "Sec-Fetch-Site", "cross-site"), rest.ProblemCrossOrigin, 403)
	wantProblem(t, send(t, handler, http.MethodPost, "/accounts", body, "Origin", "https://evil.example"), rest.ProblemCrossOrigin, 403)
	must(t, handler, 201, http.MethodPost, "/accounts", body, "Sec-Fetch-Site", "same-origin")
}
