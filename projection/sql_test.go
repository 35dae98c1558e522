package projection_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

const (
	schema = "CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, account TEXT NOT NULL, pence INTEGER NOT NULL)"
	empty  = "DELETE FROM entries"
)

// entries is a projection into a table that refuses what it is told to.
type entries struct {
	refuse atomic.Int64 // a position, 0 for none
	panics atomic.Bool
}

func (e *entries) tables(parts ...projection.TablesPart) *projection.Tables {
	return projection.SQL("entries", schema, append([]projection.TablesPart{
		projection.Write("account.credited", func(ctx context.Context, tx carillon.SQLExecutor, at carillon.Recorded, c credited) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO entries VALUES (?, ?, ?)", int64(at.Position), at.Stream, c.Pence)
			if refuse := e.refuse.Load(); refuse != 0 && int64(at.Position) == refuse { // behind the write
				if e.panics.Load() {
					panic("refused")
				}
				return errors.Join(err, errBroken)
			}
			return err
		}),
	}, parts...)...)
}

// site is a store in a SQLite file with an engine that runs.
type site struct {
	carillon.Store
	path   string
	log    *eventlog.Log
	engine *projection.Engine
	stop   func()
}

func newSite(t testing.TB, definitions ...projection.Definition) *site {
	t.Helper()
	s := &site{path: filepath.Join(t.TempDir(), "site.db")}
	s.start(t, definitions...)
	t.Cleanup(func() { s.stop() })
	return s
}

// start opens the file and runs an engine over it until stop.
func (s *site) start(t testing.TB, definitions ...projection.Definition) {
	t.Helper()
	store, err := sqlite.File(s.path).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Store, s.log = store, eventlog.New(store.Log())
	s.engine = projection.NewEngine(s.log, store)
	for _, definition := range definitions {
		if err := s.engine.Add(definition); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.engine.Run(ctx) // ends with its context
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// credit appends so many events of one pence and returns the last position.
func (s *site) credit(t testing.TB, count int) carillon.Position {
	t.Helper()
	a := carillon.Append{Stream: "account-1", Expect: carillon.AnyVersion()}
	for range count {
		a.Events = append(a.Events, message(t, "account.credited", credited{Pence: 1}))
	}
	appended, err := s.log.Append(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return appended.Last
}

func (s *site) wait(t testing.TB, position carillon.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.engine.Wait(ctx, "entries", position); err != nil {
		t.Fatal(err)
	}
}

// until waits for a status.
func (s *site) until(t testing.TB, wanted func(projection.Status) bool) projection.Status {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	limit := time.After(20 * time.Second)
	for {
		statuses, err := s.engine.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if wanted(statuses[0]) {
			return statuses[0]
		}
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("status %+v", statuses)
		}
	}
}

// standing is how many rows the table has, the last position in it, and the checkpoint.
func (s *site) standing(t testing.TB) string {
	t.Helper()
	var count, last int64
	err := s.Store.(carillon.SQLReader).ReadSQL().QueryRowContext(t.Context(), "SELECT count(*), coalesce(max(position), 0) FROM entries").Scan(&count, &last)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := s.ReadModels().Models(t.Context())
	infos = slices.DeleteFunc(infos, func(info carillon.ModelInfo) bool { return info.Name != "entries" })
	if err != nil || len(infos) != 1 {
		t.Fatal(infos, err)
	}
	return fmt.Sprintf("%d rows to %d, checkpoint %d", count, last, infos[0].Checkpoint)
}

func TestSQL(t *testing.T) {
	t.Parallel()
	e := &entries{}
	s := newSite(t, e.tables())
	s.wait(t, s.credit(t, 100))
	if got := s.standing(t); got != "100 rows to 100, checkpoint 100" {
		t.Error(got)
	}
	s.stop()
	s.start(t, e.tables())
	s.wait(t, s.credit(t, 1))
	if got := s.standing(t); got != "101 rows to 101, checkpoint 101" {
		t.Errorf("after a restart: %s", got)
	}
}

// TestAWriteThatFails rolls its transaction back. The event is parked, and those of its key behind it; everything else goes on. Once the
// handler does, the key is handled in order.
func TestAWriteThatFails(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		e := &entries{}
		e.panics.Store(panics)
		e.refuse.Store(42)
		s := newSite(t, e.tables())
		s.wait(t, s.credit(t, 100))
		if got := s.standing(t); got != "41 rows to 41, checkpoint 100" {
			t.Errorf("panics is %v: %s", panics, got)
		}
		letters := s.letters(t, "entries")
		if len(letters) != 59 || letters[0].Position != 42 || letters[0].Attempts < 1 || letters[1].Attempts != 0 {
			t.Fatalf("panics is %v: %d letters, the first %+v", panics, len(letters), letters[0])
		}
		if want := `event "account.credited" at position 42: `; !strings.HasPrefix(letters[0].Cause, want) || (letters[0].Stack != "") != panics {
			t.Errorf("panics is %v: letter %+v, want the cause %q", panics, letters[0], want)
		}
		e.refuse.Store(0)
		if err := s.engine.Retry(t.Context(), "entries", letters[0].Key); err != nil && !errors.Is(err, carillon.ErrNotFound) { // it is tried unasked, too
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); len(s.letters(t, "entries")) > 0 && time.Now().Before(deadline); {
			runtime.Gosched()
		}
		if got := s.standing(t); got != "100 rows to 100, checkpoint 100" {
			t.Errorf("panics is %v: %s after the repair", panics, got)
		}
		s.stop()
	}
}

// letters are the parked events of a projection's only key.
func (s *site) letters(t testing.TB, name string) []carillon.DeadLetter {
	t.Helper()
	port := s.Store.(carillon.DeadLetterStore).DeadLetters()
	keys, err := port.Keys(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) == 0 {
		return nil
	}
	letters, err := port.Letters(t.Context(), name, keys[0].Key, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func TestRebuildTables(t *testing.T) {
	t.Parallel()
	e := &entries{}
	s := newSite(t, e.tables(projection.Empty(empty)))
	s.wait(t, s.credit(t, 3000))
	// Spoil the table through the projection's own door.
	err := s.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "entries"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		_, err := tx.(carillon.SQLTx).SQL().ExecContext(t.Context(), "DELETE FROM entries WHERE position % 2 = 0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Rebuild(t.Context(), "entries"); err != nil {
		t.Fatal(err)
	}
	if got := s.standing(t); got != "3000 rows to 3000, checkpoint 3000" {
		t.Errorf("after the rebuild: %s", got)
	}
	ended := make(chan error)
	go func() { ended <- s.engine.Rebuild(t.Context(), "entries") }()
	last := s.credit(t, 500) // while it goes on
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.wait(t, last)
	if got := s.standing(t); got != "3500 rows to 3500, checkpoint 3500" {
		t.Errorf("after a rebuild beside appends: %s", got)
	}
}

// TestARebuildThatParks meets an event that fails: it is parked, and the tables hold the rest. What was parked before the rebuild is
// met again with all other events.
func TestARebuildThatParks(t *testing.T) {
	t.Parallel()
	e := &entries{}
	s := newSite(t, e.tables(projection.Empty(empty)))
	s.wait(t, s.credit(t, 5000))
	e.refuse.Store(3210)
	if err := s.engine.Rebuild(t.Context(), "entries"); err != nil {
		t.Fatal(err)
	}
	if got := s.standing(t); got != "3209 rows to 3209, checkpoint 5000" {
		t.Errorf("after the rebuild that parked: %s", got)
	}
	if letters := s.letters(t, "entries"); len(letters) != 1791 {
		t.Errorf("%d letters, want 1791", len(letters))
	}
	e.refuse.Store(0)
	if err := s.engine.Rebuild(t.Context(), "entries"); err != nil {
		t.Fatal(err)
	}
	if got := s.standing(t); got != "5000 rows to 5000, checkpoint 5000" {
		t.Errorf("after the repair: %s", got)
	}
	if letters := s.letters(t, "entries"); len(letters) != 0 {
		t.Errorf("%d letters are left", len(letters))
	}
	s.wait(t, s.credit(t, 1))
	if got := s.standing(t); got != "5001 rows to 5001, checkpoint 5001" {
		t.Errorf("after the next event: %s", got)
	}
}

func TestTablesThatCannotBe(t *testing.T) {
	t.Parallel()
	e := &entries{}
	write := projection.Write("account.credited", func(context.Context, carillon.SQLExecutor, carillon.Recorded, credited) error { return nil })
	if err := newHouse(t).engine.Add(e.tables()); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("tables in memory: %v", err)
	}
	if err := newHouse(t).engine.Add(projection.SQL("1", schema)); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("a bad name: %v", err)
	}
	if err := newHouse(t).engine.Add(projection.SQL("entries", schema)); !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), "see Write") {
		t.Errorf("nothing to write: %v", err)
	}
	if err := newHouse(t).engine.Add(e.tables(write)); !errors.Is(err, carillon.ErrInvalid) || !strings.Contains(err.Error(), "handled twice") {
		t.Errorf("an event twice: %v", err)
	}
	s := newSite(t, e.tables())
	s.wait(t, s.credit(t, 10))
	if err := s.engine.Rebuild(t.Context(), "entries"); !errors.Is(err, carillon.ErrUnsupported) || !strings.Contains(err.Error(), "projection.Empty") {
		t.Errorf("a rebuild without a statement that empties the tables: %v", err)
	}
	if got := s.standing(t); got != "10 rows to 10, checkpoint 10" {
		t.Errorf("after the rebuild that was refused: %s", got)
	}
	broken := newSite(t, projection.SQL("entries", "CREATE NONSENSE", write))
	broken.until(t, func(s projection.Status) bool {
		return s.State == projection.Failing && strings.Contains(s.Error, "NONSENSE")
	})
}

// TestSomebodyElseWritesTheTables moves the checkpoint in between: that is an error, and nothing is written over it.
func TestSomebodyElseWritesTheTables(t *testing.T) {
	t.Parallel()
	e := &entries{}
	s := newSite(t, e.tables())
	s.wait(t, s.credit(t, 10))
	err := s.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "entries"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		return tx.Advance(11)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.credit(t, 1)
	s.until(t, func(s projection.Status) bool {
		return s.State == projection.Failing && strings.Contains(s.Error, "somebody else writes")
	})
	if got := s.standing(t); got != "10 rows to 10, checkpoint 11" {
		t.Error(got)
	}
}

type entriesOf struct{ Account string }

func TestQuerySQL(t *testing.T) {
	t.Parallel()
	e := &entries{}
	tables := e.tables()
	answer := projection.QuerySQL("entries.count", tables, func(ctx context.Context, db *sql.DB, q entriesOf) (count int, err error) {
		err = db.QueryRowContext(ctx, "SELECT count(*) FROM entries WHERE account = ?", q.Account).Scan(&count)
		return count, err
	})
	s := newSite(t, tables)
	s.wait(t, s.credit(t, 7))
	endpoint, err := answer.Bind(s.Store, codec.JSON())
	if err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string]int{"account-1": 7, "account-2": 0} {
		if got, err := endpoint.Handler(t.Context(), &carillon.Message{Value: entriesOf{account}}); got != want || err != nil {
			t.Errorf("%s: %v, error %v, want %d", account, got, err, want)
		}
	}
	if diff := cmp.Diff([]string{"entries"}, endpoint.Reads); diff != "" {
		t.Errorf("what it reads (-want +got):\n%s", diff)
	}
	if _, err := answer.Bind(newHouse(t), codec.JSON()); !errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("in memory: %v", err)
	}
	spoil := projection.QuerySQL("entries.spoil", tables, func(ctx context.Context, db *sql.DB, _ int) (int, error) {
		_, err := db.ExecContext(ctx, empty)
		return 0, err
	})
	endpoint, err = spoil.Bind(s.Store, codec.JSON())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := endpoint.Handler(t.Context(), &carillon.Message{Value: 1}); err == nil {
		t.Error("a query wrote")
	}
	if got := s.standing(t); got != "7 rows to 7, checkpoint 7" {
		t.Error(got)
	}
}

func TestDescribeTables(t *testing.T) {
	t.Parallel()
	e := &entries{}
	want := carillon.Description{
		Kind: "projection", Name: "entries", Accepts: []string{"account.credited"}, Detail: map[string]string{"rows": "tables of its own"},
	}
	if diff := cmp.Diff(want, e.tables().Describe()); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}
