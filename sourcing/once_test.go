package sourcing_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// TestOnce sends commands again under their ids, to the same decider and to one that has just started.
func TestOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		command any
		changes []func(*carillon.Message)
	}{
		{"it would be accepted again", credit{"1", 10}, nil},
		{"it would be rejected now", debit{"1", 100}, nil},
		{"it was made for an earlier version", credit{"1", 10}, []func(*carillon.Message){ifVersion(2)}},
		{"it was sent at another time", credit{"1", 10}, []func(*carillon.Message){func(m *carillon.Message) { m.Time = m.Time.AddDate(1, 0, 0) }}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPort()
			bound := bind(t, accounts(), p)
			do(t, bound, openAccount{"1", "Ann"})
			do(t, bound, credit{"1", 100})
			first := do(t, bound, test.command, append(test.changes, once("request-7"))...)
			want := first
			want.Duplicate = true
			for _, again := range []*sourcing.Bound[account]{bound, bind(t, accounts(), p), bind(t, accounts(), p, hot(-1))} {
				if got := do(t, again, test.command, append(test.changes, once("request-7"))...); got != want {
					t.Errorf("again: %+v, want %+v", got, want)
				}
			}
			if at := head(t, p); at != 3 {
				t.Errorf("the log has %d events, want 3", at)
			}
			other, err := bound.Handle(t.Context(), command(credit{"1", 11}, once("request-7")))
			if !errors.Is(err, carillon.ErrCommandReused) {
				t.Errorf("other content under the same id: %+v, error %v", other, err)
			}
			rejected, err := bound.Handle(t.Context(), command(debit{"1", 1_000_000}, once("request-7")))
			if !errors.Is(err, carillon.ErrCommandReused) {
				t.Errorf("other content that is rejected: %+v, error %v", rejected, err)
			}
		})
	}
}

// TestWithoutAnIdACommandIsCarriedOutAgain is the control.
func TestWithoutAnIdACommandIsCarriedOutAgain(t *testing.T) {
	t.Parallel()
	p := newPort()
	bound := bind(t, accounts(), p)
	do(t, bound, openAccount{"1", "Ann"})
	do(t, bound, credit{"1", 1})
	do(t, bound, credit{"1", 1})
	if at := head(t, p); at != 3 {
		t.Errorf("the log has %d events, want 3", at)
	}
}

// TestAnIdOutlivesARejection: what was rejected was not carried out, so the same id may succeed later.
func TestAnIdOutlivesARejection(t *testing.T) {
	t.Parallel()
	p := newPort()
	bound := bind(t, accounts(), p)
	do(t, bound, openAccount{"1", "Ann"})
	for range 2 {
		if _, err := bound.Handle(t.Context(), command(debit{"1", 5}, once("request-7"))); !errors.Is(err, carillon.ErrRejected) {
			t.Fatalf("error %v, want a rejection", err)
		}
	}
	do(t, bound, credit{"1", 5})
	if got := do(t, bound, debit{"1", 5}, once("request-7")); got.Duplicate || got.Version != 3 {
		t.Errorf("after the rejection: %+v", got)
	}
	if got := do(t, bound, debit{"1", 5}, once("request-7")); !got.Duplicate || got.Version != 3 {
		t.Errorf("after the success: %+v", got)
	}
}

// TestOneOfManySendersIsFirst has 64 senders of one command, half of them through another process.
func TestOneOfManySendersIsFirst(t *testing.T) {
	t.Parallel()
	p := newPort()
	bounds := []*sourcing.Bound[account]{bind(t, accounts(), p), bind(t, accounts(), p)}
	do(t, bounds[0], openAccount{"1", "Ann"})
	for round := range 20 {
		results := make([]carillon.Appended, 64)
		var senders sync.WaitGroup
		for i := range results {
			senders.Go(func() {
				id := string(rune('a' + round))
				appended, err := bounds[i%2].Handle(t.Context(), command(credit{"1", 1}, once(id)))
				if err != nil {
					t.Error(err)
				}
				results[i] = appended
			})
		}
		senders.Wait()
		firsts := 0
		for _, result := range results {
			if !result.Duplicate {
				firsts++
			}
			if result.First != carillon.Position(round+2) {
				t.Errorf("round %d: %+v", round, result)
			}
		}
		if firsts != 1 {
			t.Errorf("round %d: %d senders were told that they were first", round, firsts)
		}
	}
	if at := head(t, p); at != 21 {
		t.Errorf("the log has %d events, want 21", at)
	}
}
