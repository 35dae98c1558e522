package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
)

// TestLoneAppendBehindALock: while a lone append waits for the log, something happens that its snapshot does not show. It must do
// nothing, so that the append function decides.
func TestLoneAppendBehindALock(t *testing.T) {
	t.Parallel()
	const number = 7
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
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			url := backends.Variable(t, backends.Postgres)
			opened, err := URL(url, Schema(backends.Schema(t, url)), Configure(few)).Open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := opened.Close(); err != nil {
					t.Error(err)
				}
			})
			s := opened.(*Store)
			if err := s.learnTypes(ctx, []string{"opened"}, true); err != nil {
				t.Fatal(err)
			}
			appends := []carillon.Append{{
				Stream: "a", Expect: carillon.Exactly(0), Events: []carillon.Message{{ID: "1", Type: "opened", Time: time.Unix(0, 0), Payload: []byte("{}")}},
			}}
			type outcome struct {
				verdicts []carillon.Verdict
				err      error
			}
			done := make(chan outcome, 1)
			err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, s.texts.fill("SELECT FROM {{schema}}.log FOR UPDATE")); err != nil {
					return err
				}
				go func() {
					verdicts, err := s.appendLone(ctx, appends, number, nil)
					done <- outcome{verdicts, err}
				}()
				if err := waits(ctx, s); err != nil {
					return err
				}
				if test.appends {
					return nil
				}
				if _, err := tx.Exec(ctx, s.texts.fill(test.meanwhile), s.session, number); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, s.texts.fill("UPDATE {{schema}}.log SET "+test.moves+" = "+test.moves+" + 1"))
				return err
			})
			got := <-done
			if err := errors.Join(err, got.err); err != nil {
				t.Fatal(err)
			}
			if appended := len(got.verdicts) == 1; appended != test.appends {
				t.Errorf("appended: %t, want %t", appended, test.appends)
			}
			var events int
			err = s.pool.QueryRow(ctx, s.texts.fill("SELECT count(*) FROM {{schema}}.events WHERE id = $1"), storedID("1")).Scan(&events)
			if err != nil || events > 0 != test.appends {
				t.Errorf("the log holds %d of its events, %v", events, err)
			}
		})
	}
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
