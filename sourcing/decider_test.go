package sourcing_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/sourcing"
)

func TestMistakesInADefinition(t *testing.T) {
	t.Parallel()
	nothing := func(account, string) ([]carillon.Event, error) { return nil, nil }
	key := func(string) string { return "1" }
	tags := func(string) []carillon.Tag { return []carillon.Tag{"a:1"} }
	open := func(command string) sourcing.Part[account] {
		return sourcing.Decide(command, func(c openAccount) string { return c.ID }, account.DecideOpen)
	}
	on := func(event string) sourcing.Part[account] { return sourcing.On(event, account.Opened) }
	tests := []struct {
		name    string
		decider *sourcing.Decider[account]
		says    string
	}{
		{"a bad name", sourcing.Aggregate[account]("1"), `type "1": a type name is a letter`},
		{"a bad event", sourcing.Aggregate("account", on("")), `type "": a type name has 1 to 255 bytes`},
		{"a bad event to ignore", sourcing.Aggregate("account", sourcing.Ignore[account]("a b")), `type "a b": a type name`},
		{"a bad command", sourcing.Aggregate("account", sourcing.Decide("", key, nothing)), `type "": a type name`},
		{"an event twice", sourcing.Aggregate("account", on("a"), sourcing.On("a", account.Credited)), `event "a": it is registered twice`},
		{"an event registered and ignored", sourcing.Aggregate("account", on("a"), sourcing.Ignore[account]("a")), `event "a": it is registered twice`},
		{"a Go type twice", sourcing.Aggregate("account", on("a"), on("b")), `event "b": its Go type sourcing_test.opened is that of "a" already`},
		{"a command twice", sourcing.Aggregate("account", sourcing.Decide("c", key, nothing), open("c")), `command "c": it is decided twice`},
		{"a command's Go type twice", sourcing.Aggregate("account", open("c"), open("d")), `command "d": its Go type sourcing_test.openAccount is that of "c" already`},
		{"tags for an aggregate", sourcing.Aggregate("account", sourcing.Decide("c", tags, nothing)), `command "c": an aggregate's command gives a key`},
		{"a key for a boundary", sourcing.Boundary("account", on("a"), sourcing.Decide("c", key, nothing)), `command "c": an aggregate's command gives a key`},
		{"a boundary without events", sourcing.Boundary("account", sourcing.Decide("c", tags, nothing)), `a boundary reads the events registered with On`},
		{"the first of several", sourcing.Aggregate("account", on("a"), on("a"), on("")), `event "a": it is registered twice`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := test.decider.Bind(sourcing.Runtime{Log: eventlog.New(newPort())})
			if !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "decider") {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

// TestADeciderIsTwoFunctions decides and evolves without any log.
func TestADeciderIsTwoFunctions(t *testing.T) {
	t.Parallel()
	decider := accounts()
	state := decider.Start()
	events, err := decider.Decide(state, sourcing.Moment{}, openAccount{"1", "Ann"})
	if diff := cmp.Diff([]carillon.Event{opened{"Ann"}}, events); diff != "" || err != nil {
		t.Errorf("error %v, events (-want +got):\n%s", err, diff)
	}
	state = decider.Evolve(state, events[0])
	state = decider.Evolve(state, "an event of no registered type")
	if !state.Open || state.Owner != "Ann" {
		t.Errorf("state %+v", state)
	}
	if _, err := decider.Decide(state, sourcing.Moment{}, openAccount{"1", "Bob"}); !errors.Is(err, carillon.ErrRejected) {
		t.Errorf("error %v, want a rejection", err)
	}
	if _, err := decider.Decide(state, sourcing.Moment{}, 1); !errors.Is(err, carillon.ErrUnknownType) {
		t.Errorf("error %v for a command nobody decides", err)
	}
}

func TestBoundaryOf(t *testing.T) {
	t.Parallel()
	key, tags, err := accounts().BoundaryOf(credit{"1", 5})
	if key != "1" || tags != nil || err != nil {
		t.Errorf("an aggregate's command: key %q, tags %q, error %v", key, tags, err)
	}
	key, tags, err = enrolments().BoundaryOf(enrol{"go", "ann"})
	if diff := cmp.Diff([]carillon.Tag{"student:ann", "course:go"}, tags); diff != "" || key != "" || err != nil {
		t.Errorf("a boundary's command: key %q, error %v, tags (-want +got):\n%s", key, err, diff)
	}
	if _, _, err := accounts().BoundaryOf(1); !errors.Is(err, carillon.ErrUnknownType) {
		t.Errorf("error %v for a command nobody decides", err)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	got := accounts(sourcing.SnapshotEvery[account](100)).Describe()
	want := carillon.Description{
		Kind: "aggregate", Name: "account",
		Accepts: []string{"account.open", "account.credit", "account.debit"},
		Emits:   []string{"account.credited", "account.debited", "account.opened"},
		Detail:  map[string]string{"snapshots": "every 100 events"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("aggregate (-want +got):\n%s", diff)
	}
	if got := enrolments().Describe(); got.Kind != "boundary" || got.Name != "enrolment" || got.Detail != nil {
		t.Errorf("boundary %+v", got)
	}
	types := accounts(sourcing.Ignore[account]("account.frozen")).EventTypes()
	wanted := map[string]reflect.Type{
		"account.opened": reflect.TypeFor[opened](), "account.credited": reflect.TypeFor[credited](), "account.debited": reflect.TypeFor[debited](),
	}
	if len(types) != len(wanted) {
		t.Errorf("event types %v", types)
	}
	for name, typ := range wanted {
		if types[name] != typ {
			t.Errorf("event %s is a %v, want %v", name, types[name], typ)
		}
	}
}

// TestMoment sees that a decision has the same time and ids however often it is made.
func TestMoment(t *testing.T) {
	t.Parallel()
	var moments []sourcing.Moment
	p := newPort()
	bound := bind(t, accounts(sourcing.DecideAt("account.mark", func(string) string { return "1" },
		func(_ account, moment sourcing.Moment, _ string) ([]carillon.Event, error) {
			moments = append(moments, moment)
			return carillon.Events(credited{1}), nil
		})), p)
	p.refuse.Store(2)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	do(t, bound, "mark", func(m *carillon.Message) { m.ID, m.Time = "c1", at })
	if len(moments) != 3 {
		t.Fatalf("it was decided %d times", len(moments))
	}
	for _, moment := range moments {
		if moment != (sourcing.Moment{Now: at, CommandID: "c1"}) {
			t.Errorf("moment %+v", moment)
		}
	}
	first, second := moments[0].ID(0), moments[0].ID(1)
	if first == second || first != moments[2].ID(0) || carillon.CheckID(first) != nil {
		t.Errorf("ids %q and %q, then %q", first, second, moments[2].ID(0))
	}
	if other := (sourcing.Moment{CommandID: "c2"}).ID(0); other == first {
		t.Errorf("two commands give the same id %q", other)
	}
}
