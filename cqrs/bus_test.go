package cqrs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/sourcing"
)

const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func newBus(t testing.TB, endpoints []carillon.Endpoint, middleware ...carillon.Middleware) *cqrs.Bus {
	t.Helper()
	contract, err := cqrs.NewContract(endpoints...)
	if err != nil {
		t.Fatal(err)
	}
	return cqrs.NewBus(contract, middleware...)
}

// recording is a bus with one command, whose messages it keeps.
func recording(t testing.TB) (*cqrs.Bus, *[]carillon.Message) {
	t.Helper()
	messages := new([]carillon.Message)
	return newBus(t, []carillon.Endpoint{
		cqrs.Command("open", func(_ context.Context, message *carillon.Message, _ open) (carillon.Appended, error) {
			*messages = append(*messages, *message)
			return carillon.Appended{First: 3}, nil
		}),
	}), messages
}

func TestSend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := &carillon.Message{ID: "cause", CorrelationID: "talk", Tenant: "acme", TraceParent: "p", TraceState: "s"}
		now := time.Now().UTC()
		tests := []struct {
			name    string
			options []cqrs.SendOption
			want    carillon.Message // without an id, when it is given one
		}{
			{"as it is", nil, carillon.Message{}},
			{"with an id", []cqrs.SendOption{cqrs.WithID("request-7")}, carillon.Message{
				ID: "request-7", CorrelationID: "request-7", Headers: map[string]string{carillon.HeaderOnce: "true"},
			}},
			{"for a version", []cqrs.SendOption{cqrs.IfVersion(0)}, carillon.Message{
				Headers: map[string]string{carillon.HeaderExpectedVersion: "0"},
			}},
			{"both", []cqrs.SendOption{cqrs.IfVersion(12), cqrs.WithID("r")}, carillon.Message{
				ID: "r", CorrelationID: "r", Headers: map[string]string{carillon.HeaderExpectedVersion: "12", carillon.HeaderOnce: "true"},
			}},
			{"with a cause", []cqrs.SendOption{cqrs.CausedBy(cause)}, carillon.Message{
				CorrelationID: "talk", CausationID: "cause", Tenant: "acme", TraceParent: "p", TraceState: "s",
			}},
			{"with a trace", []cqrs.SendOption{cqrs.WithTrace(traceParent, "b=1")}, carillon.Message{TraceParent: traceParent, TraceState: "b=1"}},
			{"with a trace that is none", []cqrs.SendOption{cqrs.WithTrace("a", "b=1")}, carillon.Message{}},
		}
		for _, test := range tests {
			bus, messages := recording(t)
			if done, err := bus.Send(t.Context(), open{"1"}, test.options...); done.First != 3 || err != nil {
				t.Fatalf("%s: %+v, error %v", test.name, done, err)
			}
			got := (*messages)[0]
			if carillon.CheckID(got.ID) != nil || got.CorrelationID == "" || test.want.CorrelationID == "" && got.CorrelationID != got.ID {
				t.Errorf("%s: id %q, correlation id %q", test.name, got.ID, got.CorrelationID)
			}
			want := test.want
			want.Kind, want.Type, want.SchemaVersion, want.Time, want.Value = carillon.KindCommand, "open", 1, now, open{"1"}
			ignored := cmp.Options{}
			if want.ID == "" {
				ignored = append(ignored, cmpopts.IgnoreFields(carillon.Message{}, "ID"))
			}
			if want.CorrelationID == "" {
				ignored = append(ignored, cmpopts.IgnoreFields(carillon.Message{}, "CorrelationID"))
			}
			if diff := cmp.Diff(want, got, ignored); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		}
	})
}

func TestEveryMessageHasItsOwnID(t *testing.T) {
	t.Parallel()
	bus, messages := recording(t)
	for range 2 {
		if _, err := bus.Send(t.Context(), open{"1"}); err != nil {
			t.Fatal(err)
		}
	}
	if (*messages)[0].ID == (*messages)[1].ID {
		t.Errorf("two messages have the id %q", (*messages)[0].ID)
	}
}

func TestDispatchRefuses(t *testing.T) {
	t.Parallel()
	bus := newBus(t, []carillon.Endpoint{commandOf[open]("open"), queryOf[balanceOf]("balance")})
	send := func(request any, options ...cqrs.SendOption) error {
		_, err := bus.Send(t.Context(), request, options...)
		return err
	}
	ask := func(request any) error {
		_, err := cqrs.Ask[balance](t.Context(), bus, request)
		return err
	}
	dispatch := func(request any) error {
		_, err := bus.Dispatch(t.Context(), request)
		return err
	}
	_, other := cqrs.Ask[string](t.Context(), bus, balanceOf{})
	tests := []struct {
		name string
		err  error
		want error
		says string
	}{
		{"a command nobody handles", send(shut{}), carillon.ErrUnknownType, "cqrs_test.shut"},
		{"a query nobody handles", ask(shut{}), carillon.ErrUnknownType, "cqrs_test.shut"},
		{"something nobody handles", dispatch(shut{}), carillon.ErrUnknownType, "cqrs_test.shut"},
		{"nothing", send(nil), carillon.ErrUnknownType, ""},
		{"a pointer", send(&open{}), carillon.ErrUnknownType, "*cqrs_test.open"},
		{"a query that is sent", send(balanceOf{}), carillon.ErrInvalid, "it is a query, not a command"},
		{"a command that is asked", ask(open{}), carillon.ErrInvalid, "it is a command, not a query"},
		{"an answer of another type", other, carillon.ErrInvalid, "it is answered by a cqrs_test.balance, not a string"},
		{"a bad id", send(open{}, cqrs.WithID("a\n")), carillon.ErrInvalid, `id "a\n"`},
		{"an empty id", send(open{}, cqrs.WithID("")), carillon.ErrInvalid, `id ""`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if !errors.Is(test.err, test.want) || !strings.Contains(test.err.Error(), test.says) {
				t.Errorf("error %v, want %v that says %q", test.err, test.want, test.says)
			}
		})
	}
}

func TestAnswersAndErrorsComeBack(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	bus := newBus(t, []carillon.Endpoint{
		cqrs.Query("balance", func(_ context.Context, q balanceOf) (balance, error) {
			if q.ID == "" {
				return balance{1}, broken
			}
			return balance{5}, nil
		}),
		cqrs.Query("none", func(context.Context, int) (*balance, error) { return nil, nil }),
		cqrs.Command("open", func(context.Context, *carillon.Message, open) (carillon.Appended, error) {
			return carillon.Appended{}, broken
		}),
	})
	if got, err := cqrs.Ask[balance](t.Context(), bus, balanceOf{"1"}); got != (balance{5}) || err != nil {
		t.Errorf("answer %+v, error %v", got, err)
	}
	if got, err := cqrs.Ask[balance](t.Context(), bus, balanceOf{}); got != (balance{}) || !errors.Is(err, broken) {
		t.Errorf("answer %+v, error %v", got, err)
	}
	if got, err := cqrs.Ask[*balance](t.Context(), bus, 1); got != nil || err != nil {
		t.Errorf("no answer: %+v, error %v", got, err)
	}
	if _, err := bus.Send(t.Context(), open{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if got, err := bus.Dispatch(t.Context(), balanceOf{"1"}); got != (balance{5}) || err != nil {
		t.Errorf("dispatched: %+v, error %v", got, err)
	}
	if got := bus.Contract().Endpoints(); len(got) != 3 {
		t.Errorf("%d endpoints", len(got))
	}
}

type (
	opened  struct{ ID string }
	greeted struct{}
	greet   struct{ ID string }
)

// TestAConversationGoesOn has a command's handler send another one, and finds the thread in the events both come to.
func TestAConversationGoesOn(t *testing.T) {
	t.Parallel()
	log := eventlog.New(memory.Volatile().Log())
	account := sourcing.Aggregate("account",
		sourcing.On("account.opened", func(struct{}, opened) struct{} { return struct{}{} }),
		sourcing.On("account.greeted", func(struct{}, greeted) struct{} { return struct{}{} }),
		sourcing.Decide("open", func(c open) string { return c.ID }, func(_ struct{}, c open) ([]carillon.Event, error) {
			return carillon.Events(opened(c)), nil
		}),
		sourcing.Decide("greet", func(c greet) string { return c.ID }, func(struct{}, greet) ([]carillon.Event, error) {
			return carillon.Events(greeted{}), nil
		}))
	endpoints, err := account.Bind(sourcing.Runtime{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	var bus *cqrs.Bus
	endpoints = append(endpoints, cqrs.Command("welcome", func(ctx context.Context, _ *carillon.Message, id string) (carillon.Appended, error) {
		if _, err := bus.Send(ctx, open{id}, cqrs.CauseFrom(ctx)); err != nil {
			return carillon.Appended{}, err
		}
		return bus.Send(ctx, greet{id}) // not told what caused it
	}))
	bus = newBus(t, endpoints, cqrs.Correlate())
	if _, err := bus.Send(t.Context(), "1", cqrs.WithID("request-7"), cqrs.CauseFrom(t.Context())); err != nil {
		t.Fatal(err)
	}
	events, err := log.ReadStream(t.Context(), "account-1", 0, 10)
	if err != nil || len(events) != 2 {
		t.Fatal(events, err)
	}
	if got := events[0]; got.CorrelationID != "request-7" || got.CausationID == "" || got.CausationID == "request-7" {
		t.Errorf("the event of the command that was caused: correlation %q, causation %q", got.CorrelationID, got.CausationID)
	}
	if got := events[1]; got.CorrelationID != got.CausationID || got.CorrelationID == "request-7" {
		t.Errorf("the event of the command that was not: correlation %q, causation %q", got.CorrelationID, got.CausationID)
	}
}

// TestSendOnce goes the whole way from an id and a version on a command to the log.
func TestSendOnce(t *testing.T) {
	t.Parallel()
	account := sourcing.Aggregate("account",
		sourcing.On("account.opened", func(n int, _ opened) int { return n + 1 }),
		sourcing.Decide("open", func(c open) string { return "1" }, func(_ int, c open) ([]carillon.Event, error) {
			return carillon.Events(opened(c)), nil
		}))
	endpoints, err := account.Bind(sourcing.Runtime{Log: eventlog.New(memory.Volatile().Log())})
	if err != nil {
		t.Fatal(err)
	}
	bus := newBus(t, endpoints)
	first, err := bus.Send(t.Context(), open{"a"}, cqrs.WithID("r"), cqrs.IfVersion(0))
	if err != nil || first.Version != 1 {
		t.Fatalf("%+v, error %v", first, err)
	}
	again, err := bus.Send(t.Context(), open{"a"}, cqrs.WithID("r"), cqrs.IfVersion(0))
	if first.Duplicate = true; again != first || err != nil {
		t.Errorf("again: %+v, error %v", again, err)
	}
	if _, err := bus.Send(t.Context(), open{"b"}, cqrs.WithID("r")); !errors.Is(err, carillon.ErrCommandReused) {
		t.Errorf("other content: %v", err)
	}
	if _, err := bus.Send(t.Context(), open{"b"}, cqrs.IfVersion(0)); !errors.Is(err, carillon.ErrConflict) {
		t.Errorf("an old version: %v", err)
	}
	if done, err := bus.Send(t.Context(), open{"b"}, cqrs.IfVersion(1)); err != nil || done.Version != 2 {
		t.Errorf("the right version: %+v, error %v", done, err)
	}
}
