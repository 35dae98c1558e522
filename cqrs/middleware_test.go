package cqrs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
)

func TestMiddlewareOrder(t *testing.T) {
	t.Parallel()
	var order []string
	named := func(name string) carillon.Middleware {
		return func(next carillon.Handler) carillon.Handler {
			return func(ctx context.Context, message *carillon.Message) (any, error) {
				order = append(order, name+" "+message.Type)
				return next(ctx, message)
			}
		}
	}
	bus := newBus(t, []carillon.Endpoint{commandOf[open]("open"), queryOf[balanceOf]("balance")}, named("first"), named("second"))
	if _, err := bus.Send(t.Context(), open{}); err != nil {
		t.Fatal(err)
	}
	if _, err := cqrs.Ask[balance](t.Context(), bus, balanceOf{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"first open", "second open", "first balance", "second balance"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// transfer can tell whether it makes sense by itself.
type transfer struct{ Pence int }

var errNoMoney = errors.New("a transfer moves money")

func (c transfer) Validate() error {
	if c.Pence <= 0 {
		return errNoMoney
	}
	return nil
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, validated := range []bool{true, false} { // the second is the control
		handled := 0
		endpoints := []carillon.Endpoint{
			cqrs.Command("transfer", func(context.Context, *carillon.Message, transfer) (carillon.Appended, error) {
				handled++
				return carillon.Appended{}, nil
			}),
			commandOf[open]("open"),
		}
		bus := newBus(t, endpoints)
		if validated {
			bus = newBus(t, endpoints, cqrs.Validate())
		}
		_, err := bus.Send(t.Context(), transfer{0})
		if refused := errors.Is(err, carillon.ErrInvalid) && errors.Is(err, errNoMoney) && handled == 0; refused != validated {
			t.Errorf("validated is %v: error %v, handled %d times", validated, err, handled)
		}
		for _, sound := range []any{transfer{1}, open{}} {
			if _, err := bus.Send(t.Context(), sound); err != nil {
				t.Errorf("%+v: %v", sound, err)
			}
		}
	}
}

func TestRecover(t *testing.T) {
	t.Parallel()
	cause := errors.New("no such row")
	bus := newBus(t, []carillon.Endpoint{
		cqrs.Command("open", func(context.Context, *carillon.Message, open) (carillon.Appended, error) { panic(cause) }),
		cqrs.Command("shut", func(context.Context, *carillon.Message, shut) (carillon.Appended, error) {
			return carillon.Appended{First: 1}, nil
		}),
	}, cqrs.Recover())
	_, err := bus.Send(t.Context(), open{})
	panicked, ok := errors.AsType[*cqrs.PanicError](err)
	if value, _ := panicked.Value.(error); !ok || !errors.Is(value, cause) || !strings.Contains(string(panicked.Stack), "middleware_test.go") {
		t.Errorf("error %v, want a panic with its value and stack", err)
	}
	if want := "handler panicked: no such row"; ok && panicked.Error() != want {
		t.Errorf("it says %q, want %q", panicked, want)
	}
	if done, err := bus.Send(t.Context(), shut{}); done.First != 1 || err != nil {
		t.Errorf("a handler that does not panic: %+v, error %v", done, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("without the middleware the panic went nowhere")
		}
	}()
	_, _ = newBus(t, bus.Contract().Endpoints()).Send(t.Context(), open{})
}

func TestObserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var observed []string
		bus := newBus(t, []carillon.Endpoint{cqrs.Query("balance", func(_ context.Context, q balanceOf) (balance, error) {
			<-time.After(3 * time.Second)
			if q.ID == "" {
				return balance{}, broken
			}
			return balance{}, nil
		})}, cqrs.Observe(func(_ context.Context, message *carillon.Message, took time.Duration, err error) {
			observed = append(observed, message.Type+" "+took.String())
			if err != nil {
				observed = append(observed, err.Error())
			}
		}))
		for _, id := range []string{"1", ""} {
			_, _ = cqrs.Ask[balance](t.Context(), bus, balanceOf{id})
		}
		if diff := cmp.Diff([]string{"balance 3s", "balance 3s", "broken"}, observed); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

func TestLogTo(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	endpoints := []carillon.Endpoint{cqrs.Command("open", func(_ context.Context, _ *carillon.Message, c open) (carillon.Appended, error) {
		if c.ID == "secret" {
			return carillon.Appended{}, nil
		}
		return carillon.Appended{}, broken
	})}
	for level, want := range map[slog.Level][]string{
		slog.LevelDebug: {`msg="request handled" kind=command type=open id=r1`, `msg="request handled" kind=command type=open id=r2`, "error=broken"},
		slog.LevelInfo:  nil,
	} {
		var out bytes.Buffer
		bus := newBus(t, endpoints, cqrs.LogTo(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))))
		_, _ = bus.Send(t.Context(), open{"secret"}, cqrs.WithID("r1"))
		_, _ = bus.Send(t.Context(), open{}, cqrs.WithID("r2"))
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("at level %v it does not log %q:\n%s", level, text, &out)
			}
		}
		if want == nil && out.Len() > 0 || strings.Contains(out.String(), "secret") {
			t.Errorf("at level %v it logs\n%s", level, &out)
		}
	}
}
