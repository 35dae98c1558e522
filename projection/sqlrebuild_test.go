package projection_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

// beside is a store as one process reaches it, in which another is quick: what it does comes before an update of this one, or after this
// one has read letters.
type beside struct {
	carillon.Store
	update, letters func() // each nil for nothing, and called once
}

func (b *beside) ReadModels() carillon.ReadModels { return besideModels{b.Store.ReadModels(), b} }

func (b *beside) DeadLetters() carillon.DeadLetters {
	return besideLetters{b.Store.(carillon.DeadLetterStore).DeadLetters(), b}
}

func (b *beside) ReadSQL() *sql.DB { return b.Store.(carillon.SQLReader).ReadSQL() }

type besideModels struct {
	carillon.ReadModels
	store *beside
}

func (m besideModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	if happens := m.store.update; happens != nil && ref.Name == "entries" {
		m.store.update = nil
		happens()
	}
	return m.ReadModels.Update(ctx, ref, durability, fn)
}

type besideLetters struct {
	carillon.DeadLetters
	store *beside
}

func (l besideLetters) Letters(ctx context.Context, consumer, key string, after carillon.Position, limit int) ([]carillon.DeadLetter, error) {
	letters, err := l.DeadLetters.Letters(ctx, consumer, key, after, limit)
	if happens := l.store.letters; happens != nil {
		l.store.letters = nil
		happens()
	}
	return letters, err
}

// process is an engine over somebody's store that does not run.
func process(t *testing.T, store carillon.Store, tables *projection.Tables) *projection.Engine {
	t.Helper()
	engine := projection.NewEngine(eventlog.New(store.Log()), store)
	if err := engine.Add(tables); err != nil {
		t.Fatal(err)
	}
	return engine
}

// TestALetterParkedAsTablesAreEmptied is parked by another process when a rebuild is about to empty its tables: it goes with what was in
// them, since the rebuild meets its event again.
func TestALetterParkedAsTablesAreEmptied(t *testing.T) {
	t.Parallel()
	e := &entries{}
	s := newSite(t, e.tables(projection.Empty(empty)))
	last := s.credit(t, 20)
	s.wait(t, last)
	s.stop()
	store, err := sqlite.File(s.path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s.Store = store
	park := func() {
		err := store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "entries"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			return tx.(carillon.ParkingTx).Park([]carillon.DeadLetter{{Consumer: "entries", Key: "account-1", Position: 20, Attempts: 1}})
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := process(t, &beside{Store: store, update: park}, e.tables(projection.Empty(empty))).Rebuild(t.Context(), "entries"); err != nil {
		t.Fatal(err)
	}
	if got := s.standing(t); got != "20 rows to 20, checkpoint 20" {
		t.Error(got)
	}
	if letters := s.letters(t, "entries"); len(letters) > 0 {
		t.Errorf("%d letters are left", len(letters))
	}
}

// TestARetryBesideARebuildOfTables has a process try a letter that another drops meanwhile with a rebuild that handles its event: the tables
// have it once.
func TestARetryBesideARebuildOfTables(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	fails.Store(true)
	tables := func() *projection.Tables {
		return projection.SQL("entries", "CREATE TABLE IF NOT EXISTS entries (position INTEGER NOT NULL)", projection.Empty(empty),
			projection.Write("account.credited", func(ctx context.Context, tx carillon.SQLExecutor, at carillon.Recorded, _ credited) error {
				if at.Position == 15 && fails.Load() {
					return errBroken
				}
				_, err := tx.ExecContext(ctx, "INSERT INTO entries VALUES (?)", int64(at.Position))
				return err
			}))
	}
	s := newSite(t, tables())
	s.wait(t, s.credit(t, 20))
	if got := s.standing(t); got != "14 rows to 14, checkpoint 20" {
		t.Fatal(got)
	}
	s.stop()
	store, err := sqlite.File(s.path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s.Store = store
	fails.Store(false)
	rebuilt := make(chan error, 1)
	layer := &beside{Store: store}
	layer.letters = func() { rebuilt <- process(t, store, tables()).Rebuild(t.Context(), "entries") }
	engine := process(t, layer, tables())
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = engine.Run(ctx) }) // ends with its context
	if err := <-rebuilt; err != nil {
		t.Error(err)
	}
	appended, err := eventlog.New(store.Log()).Append(t.Context(), carillon.Append{
		Stream: "account-1", Expect: carillon.AnyVersion(), Events: []carillon.Message{message(t, "account.credited", credited{Pence: 1})},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Wait(t.Context(), "entries", appended.Last); err != nil { // the retry is over: it comes between batches
		t.Fatal(err)
	}
	cancel()
	running.Wait()
	if got := s.standing(t); got != fmt.Sprintf("%[1]d rows to %[1]d, checkpoint %[1]d", appended.Last) {
		t.Error(got)
	}
	if letters := s.letters(t, "entries"); len(letters) > 0 {
		t.Errorf("%d letters are left", len(letters))
	}
}
