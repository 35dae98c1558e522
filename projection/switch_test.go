package projection_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// TestTheSwitchLosesNoRead rebuilds a read model over and over while events come and readers read: no read misses a row or goes back to
// what was before, and the rebuilt rows never differ.
func TestTheSwitchLosesNoRead(t *testing.T) {
	t.Parallel()
	const accounts, rebuilds, readers = 50, 3, 3
	store, err := sqlite.File(filepath.Join(t.TempDir(), "bank.db")).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	log := eventlog.New(store.Log())
	engine := projection.NewEngine(log, store)
	model := balances()
	if err := engine.Add(model); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	credit := func(account int) carillon.Position {
		appended, err := log.Append(t.Context(), carillon.Append{
			Stream: fmt.Sprintf("account-%d", account), Expect: carillon.AnyVersion(),
			Events: []carillon.Message{message(t, "account.credited", credited{Pence: 1})},
		})
		if err != nil {
			t.Error(err)
		}
		return appended.Last
	}
	var last carillon.Position
	for i := range 2000 {
		last = credit(i % accounts)
	}
	if err := engine.Wait(t.Context(), "balances", last); err != nil {
		t.Fatal(err)
	}

	using, done := context.WithCancel(t.Context())
	var users sync.WaitGroup
	users.Go(func() {
		for i := 0; using.Err() == nil; i++ {
			credit(i % accounts)
		}
	})
	view := projection.NewView(model, store.ReadModels(), codec.JSON())
	for reader := range readers {
		users.Go(func() {
			seen := make(map[string]int)
			for i := reader; using.Err() == nil; i++ {
				key := fmt.Sprint(i % accounts)
				row, err := view.Get(t.Context(), key)
				if err != nil || row.State.Events < seen[key] {
					t.Errorf("account %s: %d events, error %v; there were %d", key, row.State.Events, err, seen[key])
					return
				}
				seen[key] = row.State.Events
			}
		})
	}
	for range rebuilds {
		err := engine.Rebuild(t.Context(), "balances", projection.Compare(func(d projection.Difference) error {
			t.Errorf("row %s was %s and is %s", d.Key, d.Old, d.New)
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
	}
	done()
	users.Wait()
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
