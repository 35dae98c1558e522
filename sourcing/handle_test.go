package sourcing_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/sourcing"
)

func TestHandle(t *testing.T) {
	t.Parallel()
	p := newPort()
	bound := bind(t, accounts(), p)
	if got, want := do(t, bound, openAccount{"1", "Ann"}), (carillon.Appended{First: 1, Last: 1, Version: 1}); got != want {
		t.Errorf("opened: %+v, want %+v", got, want)
	}
	if got, want := do(t, bound, credit{"1", 250}), (carillon.Appended{First: 2, Last: 2, Version: 2}); got != want {
		t.Errorf("credited: %+v, want %+v", got, want)
	}
	if got := do(t, bound, credit{"1", 0}); got != (carillon.Appended{}) {
		t.Errorf("nothing to do: %+v", got)
	}
	do(t, bound, openAccount{"2", "Bob"})
	_, err := bound.Handle(t.Context(), command(debit{"1", 251}))
	rejected, ok := errors.AsType[*carillon.RejectedError](err)
	if !ok || rejected.Reason != "250 pence are not enough" {
		t.Errorf("error %v, want a rejection", err)
	}
	if at := head(t, p); at != 3 {
		t.Errorf("the log has %d events, want 3", at)
	}
	state, version, err := bound.Load(t.Context(), "1")
	want := account{Open: true, Owner: "Ann", Pence: 250, Entries: []int64{250}}
	if diff := cmp.Diff(want, state); diff != "" || version != 2 || err != nil {
		t.Errorf("state at version %d, error %v (-want +got):\n%s", version, err, diff)
	}
}

// TestEventsCarryOnTheConversation compares what is recorded with the command it came from.
func TestEventsCarryOnTheConversation(t *testing.T) {
	t.Parallel()
	p := newPort()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	do(t, bind(t, accounts(), p), openAccount{"1", "Ann"}, func(m *carillon.Message) {
		m.ID, m.Time, m.CorrelationID, m.CausationID = "c1", at, "conversation", "earlier"
		m.Tenant, m.TraceParent, m.TraceState = "acme", "00-trace", "state"
	})
	events, err := p.Log.ReadStream(t.Context(), "account-1", 0, 10)
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	got := events[0]
	if got.ID == "" || got.ID == "c1" {
		t.Errorf("the event's id is %q", got.ID)
	}
	got.ID = ""
	want := carillon.Recorded{
		Position: 1, Stream: "account-1", Version: 1,
		Message: carillon.Message{
			Kind: carillon.KindEvent, Type: "account.opened", SchemaVersion: 1, Key: "1", Time: at,
			CorrelationID: "conversation", CausationID: "c1", Tenant: "acme", TraceParent: "00-trace", TraceState: "state",
			ContentType: carillon.ContentTypeJSON, Payload: []byte(`{"Owner":"Ann"}`),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestHandleRefuses(t *testing.T) {
	t.Parallel()
	type odd struct{}
	broken := errors.New("broken")
	decider := accounts(
		sourcing.Decide("account.odd", func(odd) string { return "1" }, func(account, odd) ([]carillon.Event, error) {
			return carillon.Events(odd{}), nil
		}),
		sourcing.Decide("account.unsayable", func(float64) string { return "1" }, func(account, float64) ([]carillon.Event, error) {
			return nil, broken
		}),
	)
	tests := []struct {
		name    string
		message *carillon.Message
		want    error
	}{
		{"a command nobody decides", command("hello"), carillon.ErrUnknownType},
		{"no command", command(nil), carillon.ErrUnknownType},
		{"a pointer to a command", command(&openAccount{ID: "1"}), carillon.ErrUnknownType},
		{"an event nobody registered", command(odd{}), carillon.ErrUnknownType},
		{"a failing decision", command(1.5), broken},
		{"no key", command(openAccount{}), carillon.ErrInvalid},
		{"a key that names no stream", command(openAccount{ID: "a\nb"}), carillon.ErrInvalid},
		{"a version that is no number", command(openAccount{ID: "1"}, func(m *carillon.Message) {
			header(m, carillon.HeaderExpectedVersion, "one")
		}), carillon.ErrInvalid},
		{"a negative version", command(openAccount{ID: "1"}, ifVersion(-1)), carillon.ErrInvalid},
		{"no id to be known by", command(openAccount{ID: "1"}, once("")), carillon.ErrInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPort()
			if got, err := bind(t, decider, p).Handle(t.Context(), test.message); !errors.Is(err, test.want) {
				t.Errorf("%+v, error %v, want %v", got, err, test.want)
			}
			if at := head(t, p); at != 0 {
				t.Errorf("%d events were appended", at)
			}
		})
	}
}

func TestHandleReturnsTheStoresError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	bound := bind(t, accounts(), newPort())
	if _, err := bound.Handle(ctx, command(openAccount{"1", "Ann"})); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := bound.Handle(t.Context(), command(openAccount{"1", "Ann"})); err != nil {
		t.Errorf("the next command: %v", err)
	}
}

// TestConflictsAreDecidedAgain lets a log refuse appends as if others were faster, with and without a kept state.
func TestConflictsAreDecidedAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		conflicts int64
		want      error
		decisions int
	}{
		{"none", 0, nil, 1},
		{"one", 1, nil, 2},
		{"as many as are tried", 10, nil, 11},
		{"one more", 11, carillon.ErrConflict, 11},
		{"always", 1 << 30, carillon.ErrConflict, 11},
	}
	for _, test := range tests {
		for _, kept := range []int{-1, 0} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				decisions := 0
				p := newPort()
				bound := bind(t, accounts(sourcing.Decide("account.count", func(string) string { return "1" },
					func(account, string) ([]carillon.Event, error) {
						decisions++
						return carillon.Events(credited{1}), nil
					})), p, hot(kept))
				do(t, bound, openAccount{"1", "Ann"})
				do(t, bound, "count") // it learns that this command is not the first of its key
				decisions = 0
				p.refuse.Store(test.conflicts)
				if _, err := bound.Handle(t.Context(), command("count")); !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if decisions != test.decisions {
					t.Errorf("it was decided %d times, want %d", decisions, test.decisions)
				}
			})
		}
	}
}

// TestAKeptStateMayBeStale appends behind a decider's back and sees that it neither rejects nor accepts on what it remembers.
func TestAKeptStateMayBeStale(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		typ, payload string // what happens behind its back
		command      any
		changes      []func(*carillon.Message)
		want         string
	}{
		{
			"rejected on the old state, accepted on the new", "account.credited", `{"Pence":100}`,
			debit{"1", 100},
			nil, "{First:3 Last:3 Version:3 Duplicate:false}",
		},
		{
			"accepted on the old state, rejected on the new", "account.opened", `{}`,
			openAccount{"2", "Bob"},
			nil, "error: account 2 is open already",
		},
		{
			"nothing to do on the old state", "account.opened", `{}`,
			touch{"2"},
			nil, "{First:3 Last:3 Version:2 Duplicate:false}",
		},
		{
			"made for the new version", "account.credited", `{"Pence":100}`,
			credit{"1", 1},
			[]func(*carillon.Message){ifVersion(2)},
			"{First:3 Last:3 Version:3 Duplicate:false}",
		},
		{
			"made for the old version", "account.credited", `{"Pence":100}`,
			credit{"1", 1},
			[]func(*carillon.Message){ifVersion(1)},
			`error: conflict: stream "account-1" is at version 2, expected 1`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPort()
			bound := bind(t, accounts(sourcing.Decide("account.touch", touch.Key, account.DecideTouch)), p)
			do(t, bound, openAccount{"1", "Ann"}) // kept at version 1
			stream := "account-1"
			if test.typ == "account.opened" {
				stream = "account-2"
				do(t, bound, touch{"2"}) // kept at version 0
			}
			behind(t, p.Log, stream, test.typ, test.payload)
			if got := said(bound.Handle(t.Context(), command(test.command, test.changes...))); got != test.want {
				t.Errorf("it says %s, want %s", got, test.want)
			}
		})
	}
}

// touch credits an account that is open and does nothing to any other.
type touch struct{ ID string }

func (c touch) Key() string { return c.ID }

func (a account) DecideTouch(touch) ([]carillon.Event, error) {
	if !a.Open {
		return nil, nil
	}
	return carillon.Events(credited{1}), nil
}

// TestIfVersion says when a command made for a version is carried out.
func TestIfVersion(t *testing.T) {
	t.Parallel()
	for _, kept := range []int{-1, 0} {
		p := newPort()
		bound := bind(t, accounts(), p, hot(kept))
		do(t, bound, openAccount{"1", "Ann"}, ifVersion(0))
		do(t, bound, credit{"1", 1}, ifVersion(1))
		before := p.appends.Load()
		for _, version := range []int64{0, 1, 3} {
			_, err := bound.Handle(t.Context(), command(credit{"1", 1}, ifVersion(version)))
			conflict, ok := errors.AsType[*carillon.ConflictError](err)
			want := carillon.ConflictError{Guard: carillon.GuardVersion, Stream: "account-1", Expected: version, Actual: 2}
			if !ok || *conflict != want {
				t.Errorf("version %d: error %v, want %v", version, err, &want)
			}
		}
		if p.appends.Load() != before {
			t.Error("it tried to append all the same")
		}
		// A version comes before the decision: what would be rejected is refused for its version first.
		if _, err := bound.Handle(t.Context(), command(debit{"1", 1000}, ifVersion(0))); !errors.Is(err, carillon.ErrConflict) {
			t.Errorf("error %v, want a conflict", err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	endpoints, err := accounts().Bind(sourcing.Runtime{Log: eventlog.New(newPort())})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, endpoint := range endpoints {
		names = append(names, endpoint.Type)
		if endpoint.Kind != carillon.KindCommand || endpoint.Version != 1 || endpoint.Response != nil {
			t.Errorf("endpoint %+v", endpoint)
		}
	}
	if diff := cmp.Diff([]string{"account.open", "account.credit", "account.debit"}, names); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	result, err := endpoints[0].Handler(t.Context(), command(openAccount{"1", "Ann"}))
	if want := (carillon.Appended{First: 1, Last: 1, Version: 1}); result != want || err != nil {
		t.Errorf("result %v, error %v", result, err)
	}
	result, err = endpoints[0].Handler(t.Context(), command(openAccount{"1", "Ann"}))
	if result != nil || !errors.Is(err, carillon.ErrRejected) {
		t.Errorf("result %v, error %v, want a rejection", result, err)
	}
}

// TestACommandWithoutATime is decided now, and its events happened now.
func TestACommandWithoutATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var moment sourcing.Moment
		p := newPort()
		bound := bind(t, accounts(sourcing.DecideAt("account.mark", func(string) string { return "1" },
			func(_ account, m sourcing.Moment, _ string) ([]carillon.Event, error) {
				moment = m
				return carillon.Events(credited{1}), nil
			})), p)
		message := command("mark", func(m *carillon.Message) { m.Time = time.Time{} })
		now := time.Now().UTC()
		if _, err := bound.Handle(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		events, err := p.ReadStream(t.Context(), "account-1", 0, 1)
		if err != nil || len(events) != 1 || !events[0].Time.Equal(now) || !moment.Now.Equal(now) || !message.Time.IsZero() {
			t.Errorf("at %v: decided at %v, events %+v, message of %v, error %v", now, moment.Now, events, message.Time, err)
		}
	})
}

// TestPausesAfterConflicts follow from the source of randomness.
func TestPausesAfterConflicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := func(seed uint64) time.Duration {
			p := newPort()
			bound := bind(t, accounts(), p, func(r *sourcing.Runtime) { r.Random = rand.New(rand.NewPCG(seed, 0)) })
			p.refuse.Store(6)
			start := time.Now()
			do(t, bound, openAccount{"1", "Ann"})
			return time.Since(start)
		}
		if first, again, other := took(1), took(1), took(2); first != again || first == other || first == 0 {
			t.Errorf("seed 1 takes %v and %v, seed 2 %v", first, again, other)
		}
	})
}
