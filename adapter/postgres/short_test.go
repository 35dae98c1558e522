package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
)

// TestShortAppendBehindALock: while a short append waits for the log, something happens that its snapshot does not show. It must do
// nothing, so that the append function decides.
func TestShortAppendBehindALock(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		meanwhile string // in the transaction that holds the log
		moves     string // the column that changes with it
		appends   bool
	}{
		{name: "nothing", appends: true},
		{
			name: "the append is given up", moves: "givenup",
			meanwhile: "INSERT INTO {{schema}}.givenup (session, number) VALUES ($1, $2)",
		},
		{
			name: "the version is taken", moves: "head",
			meanwhile: `INSERT INTO {{schema}}.events (position, version, time, type, stream, id, payload)
				SELECT head + 1, 1, 0, 1, 'a', '', '' FROM {{schema}}.log WHERE $1::uuid IS NOT NULL AND $2::bigint > 0`,
		},
		{
			name: "an event comes to a stream of others", moves: "head",
			meanwhile: `INSERT INTO {{schema}}.events (position, version, time, type, stream, id, payload)
				SELECT head + 1, 1, 0, 1, 'other', '', '' FROM {{schema}}.log WHERE $1::uuid IS NOT NULL AND $2::bigint > 0`,
		},
	} {
		for _, count := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d", test.name, count), func(t *testing.T) {
				t.Parallel()
				s, appends := shortAppends(t, count)
				verdicts, err := appendBehind(t, s, appends, func(tx pgx.Tx) error {
					if test.appends {
						return nil
					}
					if _, err := tx.Exec(t.Context(), s.texts.fill(test.meanwhile), s.session, shortNumber); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), s.texts.fill("UPDATE {{schema}}.log SET "+test.moves+" = "+test.moves+" + 1"))
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				want := 0
				if test.appends {
					want = count
				}
				if len(verdicts) != want {
					t.Errorf("%d verdicts, want %d", len(verdicts), want)
				}
				var events int
				err = s.pool.QueryRow(t.Context(), s.texts.fill("SELECT count(*) FROM {{schema}}.events WHERE id = $1"), storedID("1")).Scan(&events)
				if err != nil || events != want {
					t.Errorf("the log holds %d of its events, want %d, %v", events, want, err)
				}
			})
		}
	}
}

// A short statement does nothing when any stream has another version than is expected, and the append function says which.
func TestShortAppendRefused(t *testing.T) {
	t.Parallel()
	for _, expected := range []int64{0, 2} {
		s, appends := shortAppends(t, 3)
		if _, err := s.Log().Append(t.Context(), appends[1:2]); err != nil {
			t.Fatal(err)
		}
		appends[1].Expect = carillon.Exactly(expected)
		if verdicts, err := s.appendShort(t.Context(), appends, shortNumber, nil); verdicts != nil || err != nil {
			t.Errorf("at version 1, expected %d: %+v, %v", expected, verdicts, err)
		}
		verdicts, err := s.Log().Append(t.Context(), appends)
		if err != nil {
			t.Fatal(err)
		}
		conflict, ok := errors.AsType[*carillon.ConflictError](verdicts[1].Err)
		if !ok || conflict.Stream != "b" || conflict.Actual != 1 || verdicts[0].Appended.First != 2 || verdicts[2].Appended.First != 3 {
			t.Errorf("at version 1, expected %d: %+v", expected, verdicts)
		}
	}
}

// Appends of one batch that follow on each other go together; those that do not are not laid out.
func TestLayPlain(t *testing.T) {
	t.Parallel()
	event := func(stream string, expect carillon.Expect) carillon.Append {
		return carillon.Append{Stream: stream, Expect: expect, Events: []carillon.Message{{Type: "opened"}}}
	}
	first := event("a", carillon.Exactly(3))
	with := func(change func(*carillon.Append)) carillon.Append {
		a := event("b", carillon.Exactly(0))
		change(&a)
		return a
	}
	streamless := func(a *carillon.Append) { a.Stream, a.Expect = "", carillon.Expect{} }
	tagged := func(tags ...carillon.Tag) func(*carillon.Append) {
		return func(a *carillon.Append) { streamless(a); a.Events[0].Tags = tags }
	}
	asking := func(tags ...carillon.Tag) func(*carillon.Append) {
		return func(a *carillon.Append) {
			streamless(a)
			a.Condition = &carillon.Condition{Query: carillon.Query{Items: []carillon.Item{{Tags: tags}}}}
		}
	}
	for _, test := range []struct {
		name    string
		appends []carillon.Append
		want    bool
	}{
		{"none", nil, false},
		{"one", []carillon.Append{first}, true},
		{"two streams", []carillon.Append{first, event("b", carillon.Exactly(0))}, true},
		{"the next version", []carillon.Append{first, event("a", carillon.Exactly(4))}, true},
		{"the same version", []carillon.Append{first, first}, false},
		{"any version", []carillon.Append{event("a", carillon.AnyVersion())}, false},
		{"no stream", []carillon.Append{event("", carillon.Expect{})}, true},
		{"no event", []carillon.Append{first, with(func(a *carillon.Append) { a.Events = nil })}, false},
		{"a tag", []carillon.Append{first, with(tagged("a:b"))}, true},
		{"a condition on everything", []carillon.Append{with(func(a *carillon.Append) { a.Condition = &carillon.Condition{} }), first}, true},
		{"a condition on everything before", []carillon.Append{first, with(func(a *carillon.Append) { a.Condition = &carillon.Condition{} })}, false},
		{"a condition on a tag", []carillon.Append{with(tagged("a:b")), with(asking("a:c"))}, true},
		{"a condition on a tag before", []carillon.Append{with(tagged("a:b")), with(asking("a:b"))}, false},
		{"a condition on one tag more", []carillon.Append{with(tagged("a:b")), with(asking("a:b", "a:c"))}, true},
		{"a condition on tags of two", []carillon.Append{with(tagged("a:b")), with(tagged("a:c")), with(asking("a:b", "a:c"))}, false},
		{"a command id", []carillon.Append{first, with(func(a *carillon.Append) { a.Command = &carillon.CommandGuard{ID: "1"} })}, false},
	} {
		if _, ok := layOut(test.appends); ok != test.want {
			t.Errorf("%s: %t, want %t", test.name, ok, test.want)
		}
	}
}

// shortNumber is the number of the append.
const shortNumber = 7

// shortAppends are appends of one event each to new streams a, b, … of a new store.
func shortAppends(t *testing.T, count int) (*Store, []carillon.Append) {
	t.Helper()
	url := backends.Variable(t, backends.Postgres)
	opened, err := URL(url, Schema(backends.Schema(t, url)), Configure(few)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	s := opened.(*Store)
	if err := s.learnTypes(t.Context(), []string{"opened"}, true); err != nil {
		t.Fatal(err)
	}
	appends := make([]carillon.Append, count)
	for i := range appends {
		appends[i] = carillon.Append{
			Stream: string(rune('a' + i)), Expect: carillon.Exactly(0),
			Events: []carillon.Message{{ID: "1", Type: "opened", Time: time.Unix(0, 0), Payload: []byte("{}")}},
		}
	}
	return s, appends
}

// appendBehind appends while another transaction holds the log, which does something before it ends.
func appendBehind(t *testing.T, s *Store, appends []carillon.Append, meanwhile func(pgx.Tx) error) ([]carillon.Verdict, error) {
	t.Helper()
	type outcome struct {
		verdicts []carillon.Verdict
		err      error
	}
	done := make(chan outcome, 1)
	ctx := t.Context()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, s.texts.fill("SELECT FROM {{schema}}.log FOR UPDATE")); err != nil {
			return err
		}
		go func() {
			verdicts, err := s.appendShort(ctx, appends, shortNumber, nil)
			done <- outcome{verdicts, err}
		}()
		if err := waits(ctx, s); err != nil {
			return err
		}
		return meanwhile(tx)
	})
	got := <-done
	return got.verdicts, errors.Join(err, got.err)
}

// waits returns once a statement of the store waits for a lock.
func waits(ctx context.Context, s *Store) error {
	for {
		var waiting bool
		err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '.log SET head%')",
			s.source.schema).Scan(&waiting)
		if err != nil || waiting {
			return err
		}
	}
}
