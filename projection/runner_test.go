package projection

import (
	"context"
	"errors"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
)

// TestStartBesideRebuild has a runner begin to follow, as it does after each failure, while its read model is rebuilt. Both use one
// worker, which is for one goroutine at a time; the race detector tells.
func TestStartBesideRebuild(t *testing.T) {
	t.Parallel()
	store := memory.Volatile()
	log := eventlog.New(store.Log())
	engine := NewEngine(log, store)
	if err := engine.Add(Keyed("count", On("counted", func(n, by int) int { return n + by }))); err != nil {
		t.Fatal(err)
	}
	r := engine.runners[0]
	for range 200 {
		counted := carillon.Message{Type: "counted", Payload: []byte(`1`)}
		_, err := log.Append(t.Context(), carillon.Append{Stream: "c-1", Expect: carillon.AnyVersion(), Events: []carillon.Message{counted}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.follow(ctx) }()
		if err := r.rebuild(t.Context(), rebuilding{}); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, errMoved) {
			t.Error(err)
		}
	}
}
