package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/backends"
)

// noted is an append whose request a proxy knows by its text.
func noted(text string) carillon.Append {
	return carillon.Append{Events: []carillon.Message{
		{Type: "noted", Payload: fmt.Appendf(nil, "%q", text)},
		{Type: "noted", Payload: []byte(`"and more"`)},
	}}
}

// opened is a store behind a proxy, and its log.
func opened(t *testing.T) (*proxy, *eventlog.Log, carillon.Store) {
	t.Helper()
	direct := backends.Variable(t, backends.Postgres)
	p, through := newProxy(t, direct)
	store, err := URL(through, Schema(backends.Schema(t, direct)), Configure(few)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	log := eventlog.New(store.Log())
	if _, err := log.Append(t.Context(), noted("the first")); err != nil { // its type has a number from here on
		t.Fatal(err)
	}
	return p, log, store
}

// count is how many events carry a text.
func count(t *testing.T, log *eventlog.Log, text string) (found int) {
	t.Helper()
	for batch, err := range log.Follow(t.Context(), 0, eventlog.StopAtHead()) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Entries {
			if bytes.Contains(batch.Entries[i].Payload, []byte(text)) {
				found++
			}
		}
	}
	return found
}

// A connection breaks while an append is under way. The append says that its outcome is unknown, one call resolves it, and an append that
// did not take place may be tried again.
func TestConnectionLossDuringAppend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault fault
		there bool
	}{
		{"the answer is lost", dropAnswer, true},
		{"the request is lost", dropRequest, false},
		{"half of the request is lost", dropHalf, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, log, _ := opened(t)
			for round := range 20 {
				text := fmt.Sprintf("round %d.", round)
				p.breakAt(text, test.fault)
				_, err := log.Append(t.Context(), noted(text))
				if !errors.Is(err, carillon.ErrOutcomeUnknown) {
					t.Fatalf("%s: the append says %v, want ErrOutcomeUnknown", text, err)
				}
				appended, err := log.Resolve(t.Context(), err)
				if test.there {
					if err != nil || appended.Last != appended.First+1 {
						t.Fatalf("%s: resolved to %+v, %v, and it took place", text, appended, err)
					}
				} else {
					if !errors.Is(err, carillon.ErrNotFound) {
						t.Fatalf("%s: resolved to %+v, %v, want ErrNotFound", text, appended, err)
					}
					if _, err := log.Append(t.Context(), noted(text)); err != nil {
						t.Fatal(err)
					}
				}
				if n := count(t, log, text); n != 1 {
					t.Fatalf("%s: it is there %d times", text, n)
				}
			}
		})
	}
}

// A request is delivered after its connection broke and its outcome was resolved: the server refuses it, also when the caller has tried
// again since. The append function says so, a short statement does nothing.
func TestAppendDeliveredAfterResolve(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		again, command bool
		answer         string
	}{
		{"not tried again", false, false, "SELECT 0\x00"},
		{"tried again", true, false, "SELECT 0\x00"},
		{"by the function", false, true, codeGivenUp},
		{"by the function, tried again", true, true, codeGivenUp},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, log, _ := opened(t)
			for round := range 20 {
				text, want := fmt.Sprintf("round %d.", round), 0
				request := noted(text)
				if test.command {
					request.Command = &carillon.CommandGuard{ID: text}
				}
				p.breakAt(text, holdRequest)
				_, err := log.Append(t.Context(), request)
				if !errors.Is(err, carillon.ErrOutcomeUnknown) {
					t.Fatalf("%s: the append says %v, want ErrOutcomeUnknown", text, err)
				}
				if _, err := log.Resolve(t.Context(), err); !errors.Is(err, carillon.ErrNotFound) {
					t.Fatalf("%s: resolved to %v, want ErrNotFound", text, err)
				}
				if test.again {
					want = 1
					if _, err := log.Append(t.Context(), request); err != nil {
						t.Fatal(err)
					}
				}
				if answer := p.deliver(t); !bytes.Contains(answer, []byte(test.answer)) {
					t.Fatalf("%s: the server answered %q, want %s", text, answer, test.answer)
				}
				if n := count(t, log, text); n != want {
					t.Fatalf("%s: it is there %d times, want %d", text, n, want)
				}
			}
		})
	}
}

// The control: a request that is delivered before anybody resolved it is carried out.
func TestAppendDeliveredBeforeResolve(t *testing.T) {
	t.Parallel()
	p, log, _ := opened(t)
	p.breakAt("late.", holdRequest)
	_, unknown := log.Append(t.Context(), noted("late."))
	if !errors.Is(unknown, carillon.ErrOutcomeUnknown) {
		t.Fatalf("the append says %v, want ErrOutcomeUnknown", unknown)
	}
	if answer := p.deliver(t); bytes.Contains(answer, []byte(codeGivenUp)) {
		t.Fatalf("the server answered %q", answer)
	}
	if appended, err := log.Resolve(t.Context(), unknown); err != nil || count(t, log, "late.") != 1 {
		t.Fatalf("resolved to %+v, %v, and it is there %d times", appended, err, count(t, log, "late."))
	}
}

// A connection breaks as an update of a read model commits: rows and checkpoint are both there or both not, and the update says that
// nobody knows.
func TestConnectionLossDuringUpdate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault fault
		there bool
	}{
		{"the answer is lost", dropAnswer, true},
		{"the request is lost", dropRequest, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, _, store := opened(t)
			models, ref := store.ReadModels(), carillon.ModelRef{Name: "model"}
			put := func(ctx context.Context, to carillon.Position, broken bool) error {
				return models.Update(ctx, ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
					value := fmt.Sprintf("value %d.", to)
					if broken {
						p.breakAt(value, test.fault) // in the request that commits
					}
					return errors.Join(tx.Put([]carillon.Row{{Key: "k", Value: []byte(value), Version: int64(to)}}), tx.Advance(to))
				})
			}
			for to := carillon.Position(1); to <= 20; to += 2 {
				if err := put(t.Context(), to, false); err != nil {
					t.Fatal(err)
				}
				if err := put(t.Context(), to+1, true); !errors.Is(err, carillon.ErrOutcomeUnknown) {
					t.Fatalf("the update says %v, want ErrOutcomeUnknown", err)
				}
				want := to
				if test.there {
					want++
				}
				row, at, err := models.Row(t.Context(), ref, "k")
				if err != nil || at != want || row.Version != int64(want) || string(row.Value) != fmt.Sprintf("value %d.", want) {
					t.Fatalf("after the loss the checkpoint is at %d and the row is %+v, %v, want %d for both", at, row, err, want)
				}
			}
		})
	}
}

// A transaction whose connection ends on the way says that trying again may help: what it did is not at fault. One that is at fault does
// not say so.
func TestConnectionLossWithinUpdate(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	store, err := URL(url, Schema(backends.Schema(t, url)), Configure(few)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for name, test := range map[string]struct {
		statement   string
		unavailable bool
	}{
		"the server ends it": {"SELECT pg_terminate_backend(pg_backend_pid())", true},
		"a mistake":          {"SELECT 1/0", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "model"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
				_, err := tx.(carillon.SQLTx).SQL().ExecContext(t.Context(), test.statement)
				return err
			})
			if err == nil || errors.Is(err, carillon.ErrUnavailable) != test.unavailable {
				t.Errorf("the error is %v; that trying again may help should be %v", err, test.unavailable)
			}
		})
	}
}
