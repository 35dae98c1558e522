package projection_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// A process that shuts down while its claim of a segment is under way gives the segment up, for it may have got it, and has nothing to
// warn of.
func TestAClaimUnderWayIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		store := newShared()
		store.leases.interrupt = stop
		var said bytes.Buffer
		engine := projection.NewEngine(eventlog.New(store.Log()), store, projection.WithLogger(slog.New(slog.NewTextHandler(&said, nil))))
		if err := engine.Add(balances()); err != nil {
			t.Fatal(err)
		}
		if err := engine.Run(ctx); ctx.Err() == nil {
			t.Fatalf("the engine ended with %v before it claimed anything", err)
		}
		if left, err := store.leases.List(t.Context(), ""); err != nil || len(left) > 0 {
			t.Errorf("leases %+v, %v are left", left, err)
		}
		if said.Len() > 0 {
			t.Errorf("it said %s", said.String())
		}
	})
}
