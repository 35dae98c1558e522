package rest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
)

// gated is the read model of balances whose folds wait for a gate to open.
func gated(gate <-chan struct{}) *projection.Model[Balance] {
	return projection.Keyed("balances", projection.On("account.opened", func(b Balance, e Opened) Balance {
		<-gate
		return b.Opened(e)
	}))
}

type OwnerOf struct {
	ID string `json:"id"`
}

func ownerOf(model *projection.Model[Balance]) carillon.Describer {
	return projection.Query("owner", model, func(ctx context.Context, view projection.View[Balance], q OwnerOf) (string, error) {
		entry, err := view.Get(ctx, q.ID)
		return entry.State.Owner, err
	})
}

// TestReadYourWrites holds the projection back, so that a read without the position is stale, and one with it must wait.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	model := gated(gate)
	handler := handlerOf(t, []carillon.Describer{accounts(), model, ownerOf(model)},
		rest.Command[Open]("POST /accounts"), rest.Get("GET /accounts/{id}", model), rest.Query[OwnerOf]("GET /owners/{id}"),
		rest.WaitLimit(time.Minute))
	position := must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`).header.Get(rest.HeaderPosition)

	wantProblem(t, send(t, handler, http.MethodGet, "/accounts/1", ""), rest.ProblemNotFound, 404)
	wantProblem(t, send(t, handler, http.MethodGet, "/owners/1", ""), rest.ProblemNotFound, 404)

	row, owner := make(chan reply, 1), make(chan reply, 1)
	go func() { row <- send(t, handler, http.MethodGet, "/accounts/1", "", rest.HeaderPosition, position) }()
	go func() { owner <- send(t, handler, http.MethodGet, "/owners/1", "", rest.HeaderPosition, position) }()
	select {
	case got := <-row:
		t.Fatalf("answered before the read model was there: %d %s", got.status, got.body)
	case got := <-owner:
		t.Fatalf("answered before the read model was there: %d %s", got.status, got.body)
	default:
	}
	close(gate)
	if got := <-row; got.status != 200 {
		t.Errorf("row: %d %s", got.status, got.body)
	}
	if got := <-owner; got.status != 200 || got.body != `"Ada"` {
		t.Errorf("query: %d %s", got.status, got.body)
	}
}

func TestTheWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		model := gated(gate)
		running := run(t, memory.Volatile(), accounts(), model, ownerOf(model))
		t.Cleanup(func() { close(gate) })
		handler, err := rest.Handler(running, rest.Command[Open]("POST /accounts"), rest.Get("GET /accounts/{id}", model),
			rest.Query[OwnerOf]("GET /owners/{id}"))
		if err != nil {
			t.Fatal(err)
		}
		position := must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`).header.Get(rest.HeaderPosition)
		for _, path := range []string{"/accounts/1", "/owners/1"} {
			start := time.Now()
			got := send(t, handler, http.MethodGet, path, "", rest.HeaderPosition, position)
			p := wantProblem(t, got, rest.ProblemBehind, 504)
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("%s waited %s, want 5s", path, took)
			}
			if want := `The read model "balances" has not reached position 1 within 5s.`; !strings.HasPrefix(p.Detail, want) {
				t.Errorf("detail %q, want %q first", p.Detail, want)
			}
		}
	})
}

func TestAClientThatGivesUpEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		model := gated(gate)
		running := run(t, memory.Volatile(), accounts(), model)
		t.Cleanup(func() { close(gate) })
		handler, err := rest.Handler(running, rest.Get("GET /accounts/{id}", model), rest.WaitLimit(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the client went away"))
		defer cancel()
		gone, leave := context.WithCancel(t.Context())
		context.AfterFunc(ctx, leave)
		request := httptest.NewRequestWithContext(gone, http.MethodGet, "/accounts/1", nil)
		request.Header.Set(rest.HeaderPosition, "1")
		start := time.Now()
		handler.ServeHTTP(httptest.NewRecorder(), request)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it went on for %s", took)
		}
	})
}

func TestPositionHeaders(t *testing.T) {
	t.Parallel()
	handler := bankHandler(t)
	must(t, handler, 201, http.MethodPost, "/accounts", `{"id":"1","owner":"Ada"}`)
	for name, headers := range map[string][]string{
		"text":     {rest.HeaderPosition, "first"},
		"negative": {rest.HeaderPosition, "-1"},
		"signed":   {rest.HeaderPosition, "+1"},
		"fraction": {rest.HeaderPosition, "1.0"},
		"empty":    {rest.HeaderPosition, ""},
		"huge":     {rest.HeaderPosition, "9223372036854775808"},
		"twice":    {rest.HeaderPosition, "1", rest.HeaderPosition, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, send(t, handler, http.MethodGet, "/accounts/1", "", headers...), rest.ProblemParameter, 400)
		})
	}
	must(t, handler, 200, http.MethodGet, "/accounts/1", "", rest.HeaderPosition, "1")
	must(t, handler, 200, http.MethodGet, "/accounts/1", "", rest.HeaderPosition, "0")
}
