package rest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/rest"
	"github.com/carillon-go/carillon/sourcing"
)

func wantAppended(t *testing.T, got reply, status int, want rest.Appended) {
	t.Helper()
	var appended rest.Appended
	if err := json.Unmarshal([]byte(got.body), &appended); err != nil {
		t.Fatalf("status %d: %v: %s", got.status, err, got.body)
	}
	if diff := cmp.Diff(want, appended); diff != "" || got.status != status {
		t.Fatalf("status %d, want %d; difference (-want +got):\n%s", got.status, status, diff)
	}
}

func TestCommandAnswers(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	opened := send(t, handler, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`)
	wantAppended(t, opened, 201, rest.Appended{Position: 1, Version: 1})
	if opened.header.Get(rest.HeaderPosition) != "1" || opened.header.Get("ETag") != `"1"` {
		t.Errorf("headers %v", opened.header)
	}
	if want := `{"position":1,"version":1,"duplicate":false}`; opened.body != want {
		t.Errorf("body %s, want %s", opened.body, want)
	}
	deposited := send(t, handler, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`)
	wantAppended(t, deposited, 200, rest.Appended{Position: 2, Version: 2})
	closed := send(t, handler, http.MethodDelete, "/accounts/1", "")
	wantAppended(t, closed, 200, rest.Appended{Position: 3, Version: 3})
	nothing := send(t, handler, http.MethodDelete, "/accounts/1", "")
	wantAppended(t, nothing, 200, rest.Appended{})
	if nothing.header.Get(rest.HeaderPosition) != "" || nothing.header.Get("ETag") != "" {
		t.Errorf("a command that came to nothing has headers %v", nothing.header)
	}
	rejected := wantProblem(t, send(t, handler, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`), rest.ProblemRejected, 409)
	if rejected.Detail != "account 1 is not open" {
		t.Errorf("detail %q", rejected.Detail)
	}
	refused := wantProblem(t, send(t, handler, http.MethodPost, "/accounts/1/deposits", `{"pence":1000001}`), rest.ProblemInvalid, 422)
	if want := "pence: a deposit is at most 1000000"; refused.Detail != want {
		t.Errorf("detail %q, want %q", refused.Detail, want)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	const body = `{"id":"1","owner":"Ada"}`
	wantAppended(t, send(t, handler, http.MethodPost, "/accounts", body, "Idempotency-Key", "k-1"), 201, rest.Appended{Position: 1, Version: 1})
	must(t, handler, 200, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`)

	again := send(t, handler, http.MethodPost, "/accounts", body, "Idempotency-Key", "k-1")
	wantAppended(t, again, 200, rest.Appended{Position: 1, Version: 1, Duplicate: true})
	if again.header.Get(rest.HeaderPosition) != "1" || again.header.Get("ETag") != `"1"` {
		t.Errorf("a duplicate has headers %v", again.header)
	}
	quoted := send(t, handler, http.MethodPost, "/accounts", body, "Idempotency-Key", `"k-1"`)
	wantAppended(t, quoted, 200, rest.Appended{Position: 1, Version: 1, Duplicate: true})

	other := send(t, handler, http.MethodPost, "/accounts", `{"id":"1","owner":"Eve"}`, "Idempotency-Key", "k-1")
	wantProblem(t, other, rest.ProblemKeyReused, 422)
	path := send(t, handler, http.MethodPost, "/accounts/2/deposits", `{"pence":5}`, "Idempotency-Key", "k-1")
	wantProblem(t, path, rest.ProblemKeyReused, 422)

	for name, headers := range map[string][]string{
		"empty":  {"Idempotency-Key", ""},
		"quotes": {"Idempotency-Key", `""`},
		"twice":  {"Idempotency-Key", "a", "Idempotency-Key", "b"},
		"long":   {"Idempotency-Key", string(make([]byte, 300))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, send(t, handler, http.MethodPost, "/accounts", body, headers...), rest.ProblemParameter, 400)
		})
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`, "If-None-Match", "*")
	stale := wantProblem(t, send(t, handler, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`, "If-None-Match", "*"), rest.ProblemStale, 412)
	if stale.Detail != "It is there already, at version 1." {
		t.Errorf("detail %q", stale.Detail)
	}
	must(t, handler, 200, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`, "If-Match", `"1"`)
	stale = wantProblem(t, send(t, handler, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`, "If-Match", `"1"`), rest.ProblemStale, 412)
	if want := "It is at version 2, the command was made for version 1. Look at what is there now and decide again."; stale.Detail != want {
		t.Errorf("detail %q, want %q", stale.Detail, want)
	}
	must(t, handler, 200, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`, "If-Match", ` "2" `)

	for name, headers := range map[string][]string{
		"bare":          {"If-Match", "1"},
		"any":           {"If-Match", "*"},
		"weak":          {"If-Match", `W/"1"`},
		"list":          {"If-Match", `"1", "2"`},
		"negative":      {"If-Match", `"-1"`},
		"signed":        {"If-Match", `"+1"`},
		"huge":          {"If-Match", `"99999999999999999999"`},
		"empty":         {"If-Match", ""},
		"twice":         {"If-Match", `"1"`, "If-Match", `"2"`},
		"not any":       {"If-None-Match", `"1"`},
		"contradiction": {"If-Match", `"1"`, "If-None-Match", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, send(t, handler, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`, headers...), rest.ProblemParameter, 400)
		})
	}
}

func TestKeyAndVersionTogether(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`)
	headers := []string{"If-Match", `"1"`, "Idempotency-Key", "k"}
	must(t, handler, 200, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`, headers...)
	again := send(t, handler, http.MethodPost, "/accounts/1/deposits", `{"pence":5}`, headers...)
	wantAppended(t, again, 200, rest.Appended{Position: 2, Version: 2, Duplicate: true})
}

type (
	Reserve  struct{ Seat string }
	Reserved struct{ Seat string }
	Seats    struct{ Taken bool }
)

func (e Reserved) Tags() []carillon.Tag { return []carillon.Tag{carillon.NewTag("seat", e.Seat)} }

func TestBoundariesHaveNoVersion(t *testing.T) {
	t.Parallel()
	seats := sourcing.Boundary("seats",
		sourcing.On("seat.reserved", func(s Seats, _ Reserved) Seats { s.Taken = true; return s }),
		sourcing.Decide("seat.reserve",
			func(c Reserve) []carillon.Tag { return []carillon.Tag{carillon.NewTag("seat", c.Seat)} },
			func(s Seats, c Reserve) ([]carillon.Event, error) {
				if s.Taken {
					return nil, carillon.Rejectf("seat %s is taken", c.Seat)
				}
				return carillon.Events(Reserved(c)), nil
			}))
	handler := handlerOf(t, []carillon.Describer{seats}, rest.Command[Reserve]("PUT /seats/{seat}"))
	got := send(t, handler, http.MethodPut, "/seats/1A", "")
	wantAppended(t, got, 200, rest.Appended{Position: 1})
	if got.header.Get("ETag") != "" {
		t.Errorf("ETag %q without a stream", got.header.Get("ETag"))
	}
	wantProblem(t, send(t, handler, http.MethodPut, "/seats/1A", ""), rest.ProblemRejected, 409)
	wantProblem(t, send(t, handler, http.MethodPut, "/seats/1B", "", "If-Match", `"1"`), rest.ProblemInvalid, 422)
}

func TestCompleteAndLocation(t *testing.T) {
	t.Parallel()
	type Place struct {
		ID    string `json:"id,omitempty"`
		Owner string `json:"owner"`
	}
	decider := sourcing.Aggregate("place",
		sourcing.On("place.opened", func(a Account, _ Opened) Account { a.Open = true; return a }),
		sourcing.Decide("place.open", func(c Place) string { return c.ID }, func(a Account, c Place) ([]carillon.Event, error) {
			if a.Open {
				return nil, carillon.Rejectf("%s is open already", c.ID)
			}
			return carillon.Events(Opened{Owner: c.Owner}), nil
		}))
	running := run(t, memory.Volatile(), decider)
	handler, err := rest.Handler(running, rest.Command[Place]("POST /places", rest.Location("/places/{id}"),
		rest.Complete(func(c Place, request string) Place {
			if c.ID == "" {
				c.ID = request
			}
			return c
		})))
	if err != nil {
		t.Fatal(err)
	}
	keyed := must(t, handler, 201, http.MethodPost, "/places", `{"owner":"Ada"}`, "Idempotency-Key", "a b/c")
	if got := keyed.header.Get("Location"); got != "/places/a%20b%2Fc" {
		t.Errorf("Location %q", got)
	}
	again := send(t, handler, http.MethodPost, "/places", `{"owner":"Ada"}`, "Idempotency-Key", "a b/c")
	wantAppended(t, again, 200, rest.Appended{Position: 1, Version: 1, Duplicate: true})
	if got := again.header.Get("Location"); got != "/places/a%20b%2Fc" {
		t.Errorf("Location of the duplicate %q", got)
	}
	first := must(t, handler, 201, http.MethodPost, "/places", `{"owner":"Ada"}`).header.Get("Location")
	second := must(t, handler, 201, http.MethodPost, "/places", `{"owner":"Ada"}`).header.Get("Location")
	if first == second || first == "/places/" {
		t.Errorf("commands without a key were completed to %q and %q", first, second)
	}
}

func TestTraceIsCarriedOn(t *testing.T) {
	t.Parallel()
	parts, served := bank()
	running := run(t, memory.Volatile(), parts...)
	handler, err := rest.Handler(running, served...)
	if err != nil {
		t.Fatal(err)
	}
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`,
		"Traceparent", parent, "Tracestate", "a=1", "Tracestate", "b=2", "Idempotency-Key", "k")
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"2","owner":"Ada"}`, "Traceparent", "nonsense", "Tracestate", "a=1")
	page, err := running.Log.Read(t.Context(), carillon.AllEvents(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	first, second := page.Events[0], page.Events[1]
	if first.TraceParent != parent || first.TraceState != "a=1,b=2" || first.CausationID != "k" {
		t.Errorf("trace %q %q, cause %q", first.TraceParent, first.TraceState, first.CausationID)
	}
	if second.TraceParent != "" || second.TraceState != "" {
		t.Errorf("an invalid trace was carried on: %q %q", second.TraceParent, second.TraceState)
	}
}
