package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/projection"
)

// patience is how long a call may take that would wait for ever if it were wrong.
const patience = 30 * time.Second

// openWith opens a new schema with a pool of a size.
func openWith(t *testing.T, connections int32) carillon.Store {
	t.Helper()
	url := backends.Variable(t, backends.Postgres)
	return openSource(t, URL(url, Schema(backends.Schema(t, url)), Configure(func(config *pgxpool.Config) { config.MaxConns = connections })))
}

// openSource opens a store, which is closed when the test ends.
func openSource(t *testing.T, source Source) carillon.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store, err := source.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// A pool of one connection is enough to make the schema.
func TestOpenWithOneConnection(t *testing.T) {
	t.Parallel()
	store := openWith(t, 1)
	if head, err := store.Log().Head(t.Context()); head != 0 || err != nil {
		t.Errorf("head %d, %v", head, err)
	}
}

// A handler holds the only connection of the pool for longer than a lease runs. Its process goes on renewing what else it holds.
func TestLeasesAreRenewedWithoutAFreeConnection(t *testing.T) {
	t.Parallel()
	const term, renewals = time.Second, 8 // they take several terms, and the looks at the checkpoints between them
	store := openWith(t, 1)
	log := eventlog.New(store.Log())
	entered, leave := make(chan struct{}), make(chan struct{})
	slow := projection.SQL("slow", "", projection.Write("noted",
		func(_ context.Context, _ carillon.SQLExecutor, at carillon.Recorded, _ string) error {
			if at.Position == 2 {
				close(entered)
				<-leave
			}
			return nil
		}))
	engine := projection.NewEngine(log, store, projection.Term(term))
	if err := engine.Add(projection.Segmented(2, slow)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx)
	}()
	defer func() {
		close(leave)
		stop()
		<-ended
	}()
	for position := range carillon.Position(2) {
		if err := engine.Wait(t.Context(), "slow", position); err != nil { // so that there are checkpoints to look back at
			t.Fatal(err)
		}
		note := carillon.Append{Events: []carillon.Message{{Type: "noted", Key: "k", Payload: []byte(`"x"`)}}}
		if _, err := log.Append(t.Context(), note); err != nil {
			t.Fatal(err)
		}
	}
	<-entered
	before := term
	for seen := 0; seen < renewals; {
		looking, cancel := context.WithTimeout(t.Context(), term)
		infos, err := store.(carillon.LeaseStore).Leases().List(looking, "projection/slow/")
		cancel()
		if err != nil || len(infos) != 2 {
			t.Fatalf("leases %v, %v", infos, err)
		}
		left := max(infos[0].Left, infos[1].Left) // the handler's own runs out: its transaction is fenced with it
		if left <= 0 || infos[0].Epoch != 1 || infos[1].Epoch != 1 {
			t.Fatalf("not renewed in time after %d renewals: %+v", seen, infos)
		}
		if left > before {
			seen++
		}
		before = left
	}
}
