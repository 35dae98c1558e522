package memory

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/carillon-go/carillon"
)

// An append that is under way when the store is closed has ended when Close returns.
func TestCloseWaitsForAnAppend(t *testing.T) {
	t.Parallel()
	store := Volatile()
	batch := make([]carillon.Append, 300)
	for i := range batch {
		batch[i].Events = make([]carillon.Message, 1000)
	}
	var appending sync.WaitGroup
	appending.Go(func() {
		if _, err := store.Log().Append(context.Background(), batch); err != nil {
			t.Error(err)
		}
	})
	defer appending.Wait()
	for store.log.mu.TryRLock() { // until it is under way
		store.log.mu.RUnlock()
		runtime.Gosched()
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if !store.log.mu.TryRLock() {
		t.Fatal("it is still under way")
	}
	defer store.log.mu.RUnlock()
	if len(store.log.events) != 300_000 {
		t.Errorf("%d events are there", len(store.log.events))
	}
}

// So has an update of a read model.
func TestCloseWaitsForAnUpdate(t *testing.T) {
	t.Parallel()
	store := Volatile()
	entered, ended := make(chan struct{}), false
	var updating sync.WaitGroup
	updating.Go(func() {
		err := store.ReadModels().Update(context.Background(), carillon.ModelRef{Name: "m"}, carillon.Flushed, func(carillon.ReadModelTx) error {
			close(entered)
			for !store.closed.Load() {
				runtime.Gosched()
			}
			for range 10_000 { // time for Close to return too early
				runtime.Gosched()
			}
			ended = true
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	defer updating.Wait()
	<-entered
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended {
		t.Error("it is still under way")
	}
}
