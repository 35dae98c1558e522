package eventlog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// TestLeadershipGoesOn ends the context of a caller between the moment it is named leader and the moment it learns of that. The
// next in the queue leads in its place, and nobody waits for ever.
func TestLeadershipGoesOn(t *testing.T) {
	t.Parallel()
	for _, followers := range []int{0, 1, 2} {
		synctest.Test(t, func(t *testing.T) {
			port := memory.Volatile().Log()
			log := New(port)
			c := &log.coordinator
			c.leading = true // somebody is committing

			results := make(chan error, 10)
			start := func(ctx context.Context, id string) {
				go func() {
					event := carillon.Message{ID: id, Type: "noted"}
					_, err := log.Append(ctx, carillon.Append{Events: []carillon.Message{event}})
					results <- err
				}()
				synctest.Wait()
			}
			ctx, cancel := context.WithCancel(t.Context())
			start(ctx, "impatient")
			for range followers {
				start(t.Context(), "patient")
			}
			c.mu.Lock()
			cancel() // it wakes for this, and then waits for the lock
			c.promote()
			c.mu.Unlock()
			if err := <-results; followers == 0 && !errors.Is(err, context.Canceled) {
				t.Errorf("the impatient caller: %v", err)
			}
			for range followers {
				if err := <-results; err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
			if head, err := port.Head(t.Context()); head != carillon.Position(followers) || err != nil {
				t.Errorf("%d events, want those of %d patient callers", head, followers)
			}
			start(t.Context(), "later")
			if err := <-results; err != nil {
				t.Errorf("an append after it all: %v", err)
			}
		})
	}
}
