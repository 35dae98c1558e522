package rest_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
	"github.com/carillon-go/carillon/sourcing"
)

// The accounts the tests serve.
type (
	Open struct {
		ID    string   `json:"id"`
		Owner string   `json:"owner" minLength:"1" maxLength:"40" doc:"Who owns the account."`
		Notes []string `json:"notes,omitempty"`
	}
	Deposit struct {
		ID    string    `json:"id"`
		Pence int64     `json:"pence" minimum:"1"`
		Due   time.Time `json:"due,omitzero"`
	}
	Close struct{ ID string }

	Opened    struct{ Owner string }
	Deposited struct{ Pence int64 }
	Closed    struct{}

	Account struct {
		Open  bool
		Pence int64
	}
	Balance struct {
		Owner string   `json:"owner"`
		Pence int64    `json:"pence"`
		Notes []string `json:"notes"`
	}
)

func (c Open) Key() string    { return c.ID }
func (c Deposit) Key() string { return c.ID }
func (c Close) Key() string   { return c.ID }

func (c Deposit) Validate() error {
	if c.Pence > 1_000_000 {
		return errors.New("pence: a deposit is at most 1000000")
	}
	return nil
}

func (a Account) Opened(Opened) Account         { a.Open = true; return a }
func (a Account) Closed(Closed) Account         { a.Open = false; return a }
func (a Account) Deposited(e Deposited) Account { a.Pence += e.Pence; return a }

func (a Account) DecideOpen(c Open) ([]carillon.Event, error) {
	if a.Open {
		return nil, carillon.Rejectf("account %s is open already", c.ID)
	}
	return carillon.Events(Opened{Owner: c.Owner}), nil
}

func (a Account) DecideDeposit(c Deposit) ([]carillon.Event, error) {
	if !a.Open {
		return nil, carillon.Rejectf("account %s is not open", c.ID)
	}
	return carillon.Events(Deposited{Pence: c.Pence}), nil
}

func (a Account) DecideClose(Close) ([]carillon.Event, error) {
	if !a.Open {
		return nil, nil
	}
	return carillon.Events(Closed{}), nil
}

func (b Balance) Opened(e Opened) Balance       { b.Owner = e.Owner; return b }
func (b Balance) Deposited(e Deposited) Balance { b.Pence += e.Pence; return b }

func accounts() *sourcing.Decider[Account] {
	return sourcing.Aggregate("account",
		sourcing.On("account.opened", Account.Opened),
		sourcing.On("account.deposited", Account.Deposited),
		sourcing.On("account.closed", Account.Closed),
		sourcing.Decide("account.open", Open.Key, Account.DecideOpen),
		sourcing.Decide("account.deposit", Deposit.Key, Account.DecideDeposit),
		sourcing.Decide("account.close", Close.Key, Account.DecideClose))
}

func balances() *projection.Model[Balance] {
	return projection.Keyed("balances",
		projection.On("account.opened", Balance.Opened),
		projection.On("account.deposited", Balance.Deposited),
		projection.Remove[Balance]("account.closed"))
}

// bank is the parts and the endpoints most tests need.
func bank() ([]carillon.Describer, []rest.Part) {
	model := balances()
	return []carillon.Describer{accounts(), model}, []rest.Part{
		rest.Command[Open]("POST /accounts"),
		rest.Command[Deposit]("POST /accounts/{id}/deposits"),
		rest.Command[Close]("DELETE /accounts/{id}"),
		rest.Get("GET /accounts/{id}", model),
	}
}

// run runs a service until the test ends.
func run(t *testing.T, store carillon.Opener, parts ...carillon.Describer) *app.Running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	service := app.New(store, append(parts, app.LogTo(slog.New(slog.DiscardHandler)))...)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	running, err := service.Running(t.Context())
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return running
}

// handlerOf is the handler of a service in memory.
func handlerOf(t *testing.T, parts []carillon.Describer, served ...rest.Part) http.Handler {
	t.Helper()
	handler, err := rest.Handler(run(t, memory.Volatile(), parts...), served...)
	if err != nil {
		t.Fatalf("handler: %v", err)
	}
	return handler
}

func bankHandler(t *testing.T) http.Handler {
	t.Helper()
	parts, served := bank()
	return handlerOf(t, parts, served...)
}

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request; headers are name, value, name, value. A body is JSON unless the headers say otherwise.
func send(t *testing.T, handler http.Handler, method, target, body string, headers ...string) reply {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request := httptest.NewRequestWithContext(t.Context(), method, target, content)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return reply{status: recorder.Code, header: recorder.Header(), body: strings.TrimSpace(recorder.Body.String())}
}

// must sends a request that the test relies on.
func must(t *testing.T, handler http.Handler, status int, method, target, body string, headers ...string) reply {
	t.Helper()
	got := send(t, handler, method, target, body, headers...)
	if got.status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, target, got.status, status, got.body)
	}
	return got
}
