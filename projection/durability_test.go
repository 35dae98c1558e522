package projection_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// TestWhatDoesNotMoveTheCheckpointIsFlushed: where a crash of the database takes an update back, its process knows by the checkpoint. That a
// parked event was tried leaves the checkpoint where it is, so it must not be taken back.
func TestWhatDoesNotMoveTheCheckpointIsFlushed(t *testing.T) {
	t.Parallel()
	for name, mended := range map[string]bool{"the fold still fails": false, "the fold is mended": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				house := parkedSums(t, 4)
				store := &levelled{Store: house.store}
				_, stop := openDepot(t, sums(!mended), house.store, store)
				<-time.After(time.Minute)
				stop()
				if len(store.still) == 0 || slices.Contains(store.still, carillon.Refoldable) {
					t.Errorf("updates that did not move the checkpoint: %v, want some, all flushed", store.still)
				}
			})
		})
	}
}

// levelled is a store that notes how durable those updates are that leave the checkpoint where it is.
type levelled struct {
	*memory.Store
	still []carillon.Durability
}

func (s *levelled) ReadModels() carillon.ReadModels { return levelledModels{s.Store.ReadModels(), s} }

type levelledModels struct {
	carillon.ReadModels
	store *levelled
}

func (m levelledModels) Update(
	ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error,
) error {
	before, err := m.Models(ctx)
	if err != nil {
		return err
	}
	if err := m.ReadModels.Update(ctx, ref, durability, fn); err != nil {
		return err
	}
	after, err := m.Models(ctx)
	if err == nil && slices.EqualFunc(before, after, func(a, b carillon.ModelInfo) bool { return a.Checkpoint == b.Checkpoint }) {
		m.store.still = append(m.store.still, durability)
	}
	return err
}
