package sourcing_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/sourcing"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	p := newPort()
	bound := bind(t, accounts(), p)
	if state, version, err := bound.Load(t.Context(), "1"); version != 0 || err != nil || state.Open {
		t.Errorf("before the first event: %+v at version %d, error %v", state, version, err)
	}
	do(t, bound, openAccount{"1", "Ann"})
	behind(t, p.Log, "account-1", "account.credited", `{"Pence":5}`)
	state, version, err := bound.Load(t.Context(), "1")
	if state.Pence != 5 || version != 2 || err != nil {
		t.Errorf("after an append behind its back: %+v at version %d, error %v", state, version, err)
	}
	broken := bind(t, sourcing.Aggregate("account", sourcing.Initial(account{Owner: "nobody"}), sourcing.On("account.opened", account.Opened)), p)
	if state, _, err := broken.Load(t.Context(), "9"); state.Owner != "nobody" || err != nil {
		t.Errorf("the initial state: %+v, error %v", state, err)
	}
}

func TestLoadALongStream(t *testing.T) {
	t.Parallel()
	const count = 2345 // more than two pages
	p := newPort()
	a := carillon.Append{Stream: "account-1", Expect: carillon.NoStream()}
	for range count {
		a.Events = append(a.Events, carillon.Message{ID: "x", Type: "account.credited", Payload: []byte(`{"Pence":1}`)})
	}
	if _, err := p.Log.Append(t.Context(), []carillon.Append{a}); err != nil {
		t.Fatal(err)
	}
	if state, version, err := bind(t, accounts(), p).Load(t.Context(), "1"); state.Pence != count || version != count || err != nil {
		t.Errorf("%d pence at version %d, error %v", state.Pence, version, err)
	}
}

// TestAFaultDeepInALongStream has the next page under way when the fold of one fails: the load ends with the fold's error, and in
// the bubble a reader left behind would be noticed.
func TestAFaultDeepInALongStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		a := carillon.Append{Stream: "account-1", Expect: carillon.NoStream()}
		for i := range 2345 {
			payload := `{"Pence":1}`
			if i == 600 {
				payload = `{"Pence":"a lot"}`
			}
			a.Events = append(a.Events, carillon.Message{ID: "x", Type: "account.credited", Payload: []byte(payload)})
		}
		if _, err := p.Log.Append(t.Context(), []carillon.Append{a}); err != nil {
			t.Fatal(err)
		}
		_, _, err := bind(t, accounts(), p).Load(t.Context(), "1")
		if want := "at position 601"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	})
}

func TestEventsOfNoRegisteredType(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		typ, payload string
		parts        []sourcing.Part[account]
		want         error
	}{
		{"unknown", "account.frozen", `{}`, nil, carillon.ErrUnknownType},
		{"ignored", "account.frozen", `not even JSON`, []sourcing.Part[account]{sourcing.Ignore[account]("account.frozen")}, nil},
		{"one of several ignored", "account.frozen", `{}`, []sourcing.Part[account]{sourcing.Ignore[account]("a", "account.frozen")}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPort()
			bound := bind(t, accounts(test.parts...), p)
			do(t, bound, openAccount{"1", "Ann"})
			behind(t, p.Log, "account-1", test.typ, test.payload)
			if state, version, err := bound.Load(t.Context(), "1"); !errors.Is(err, test.want) || err == nil && (version != 2 || !state.Open) {
				t.Errorf("%+v at version %d, error %v, want %v", state, version, err, test.want)
			}
			if _, err := bound.Handle(t.Context(), command(credit{"1", 1})); !errors.Is(err, test.want) {
				t.Errorf("a command: error %v, want %v", err, test.want)
			}
		})
	}
}

func TestAnEventThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	p := newPort()
	bound := bind(t, accounts(), p)
	behind(t, p.Log, "account-1", "account.credited", `{"Pence":"a lot"}`)
	_, _, err := bound.Load(t.Context(), "1")
	want := `decider "account": decode event "account.credited" at position 1: `
	if err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
		t.Errorf("error %v, want one that says where", err)
	}
}

// TestOneFoldAtATime loads a state while a command of the same key is handled. Folds may append to a slice of the kept state,
// which two goroutines must never do at once.
func TestOneFoldAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var folding, most atomic.Int64
		slow := sourcing.Aggregate("account",
			sourcing.On("account.credited", func(a account, e credited) account {
				most.Store(max(most.Load(), folding.Add(1)))
				defer folding.Add(-1)
				<-time.After(time.Second)
				return a.Credited(e)
			}),
			sourcing.Decide("account.credit", credit.Key, func(_ account, c credit) ([]carillon.Event, error) {
				return carillon.Events(credited{c.Pence}), nil
			}))
		p := newPort()
		bound := bind(t, slow, p)
		do(t, bound, credit{"1", 1})
		behind(t, p.Log, "account-1", "account.credited", `{"Pence":2}`)
		var running sync.WaitGroup
		running.Go(func() { do(t, bound, credit{"1", 4}) })
		running.Go(func() {
			if _, _, err := bound.Load(t.Context(), "1"); err != nil {
				t.Error(err)
			}
		})
		running.Wait()
		if most.Load() != 1 {
			t.Errorf("%d folds of one key at a time", most.Load())
		}
		if state, _, err := bound.Load(t.Context(), "1"); err != nil || state.Pence != 7 {
			t.Errorf("%+v, error %v", state, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		behind(t, p.Log, "account-1", "account.credited", `{"Pence":2}`)
		running.Go(func() { do(t, bound, credit{"1", 4}) })
		synctest.Wait()
		cancel()
		if _, _, err := bound.Load(ctx, "1"); !errors.Is(err, context.Canceled) {
			t.Errorf("loading with an ended context: %v", err)
		}
		running.Wait()
	})
}

// TestLoadBesideCommands loads while commands of the same key go on, here and in another process.
func TestLoadBesideCommands(t *testing.T) {
	t.Parallel()
	const rounds = 300
	p := newPort()
	bound, other := bind(t, accounts(), p), bind(t, accounts(), p)
	do(t, bound, openAccount{"1", "Ann"})
	var running sync.WaitGroup
	running.Go(func() {
		for i := range int64(rounds) {
			if _, err := bound.Handle(t.Context(), command(credit{"1", i + 1})); err != nil {
				t.Error(err)
			}
		}
	})
	running.Go(func() {
		for i := range int64(rounds) { // another process
			if _, err := other.Handle(t.Context(), command(credit{"1", i + 1})); err != nil {
				t.Error(err)
			}
		}
	})
	running.Go(func() {
		for range rounds {
			state, version, err := bound.Load(t.Context(), "1")
			sum := int64(0)
			for _, entry := range state.Entries {
				sum += entry
			}
			if err != nil || sum != state.Pence || int64(len(state.Entries)) != version-1 {
				t.Errorf("version %d has %d entries that add up to %d of %d pence, error %v", version, len(state.Entries), sum, state.Pence, err)
			}
		}
	})
	running.Wait()
	kept, version, err := bound.Load(t.Context(), "1")
	if err != nil || version != 2*rounds+1 {
		t.Fatalf("version %d, error %v", version, err)
	}
	replayed, _, err := bind(t, accounts(), p).Load(t.Context(), "1")
	if diff := cmp.Diff(replayed, kept); diff != "" || err != nil {
		t.Errorf("error %v, the kept state is not that of the log (-log +kept):\n%s", err, diff)
	}
}

// TestLoadLargeEvents: a store ends its pages early when events are large, and a state must not rest on a part of its stream.
func TestLoadLargeEvents(t *testing.T) {
	t.Parallel()
	store, err := sqlite.File(filepath.Join(t.TempDir(), "log.db")).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	const count = 40
	payload := []byte(`{"Pence":1,"Note":"` + strings.Repeat("x", 200<<10) + `"}`)
	for range count {
		a := carillon.Append{Stream: "account-1", Expect: carillon.AnyVersion(), Events: []carillon.Message{{
			ID: "x", Type: "account.credited", Payload: payload,
		}}}
		if _, err := store.Log().Append(t.Context(), []carillon.Append{a}); err != nil {
			t.Fatal(err)
		}
	}
	if state, version, err := bind(t, accounts(), store.Log()).Load(t.Context(), "1"); state.Pence != count || version != count || err != nil {
		t.Errorf("%d of %d events at version %d, error %v", state.Pence, count, version, err)
	}
}
