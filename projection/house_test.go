package projection_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

var errBroken = errors.New("broken")

// The events most tests fold, and the read model they fold them into.
type (
	opened   struct{ Owner string }
	credited struct {
		Pence int64
		Shop  string
	}

	balance struct {
		Owner  string
		Pence  int64
		Events int
	}
)

func (b balance) Opened(e opened) balance {
	b.Owner = e.Owner
	b.Events++
	return b
}

func (b balance) Credited(e credited) balance {
	b.Pence += e.Pence
	b.Events++
	return b
}

func balances(more ...projection.Part[balance]) *projection.Model[balance] {
	return projection.Keyed("balances", slices.Concat([]projection.Part[balance]{
		projection.On("account.opened", balance.Opened),
		projection.On("account.credited", balance.Credited),
	}, more)...)
}

// house is a log, an engine over it, and a store in memory that counts what projections write and lets a test step in.
type house struct {
	carillon.Store
	models *models
	log    *eventlog.Log
	engine *projection.Engine
}

func newHouse(t testing.TB, definitions ...projection.Definition) *house {
	t.Helper()
	store := memory.Volatile()
	h := &house{Store: store, models: &models{ReadModels: store.ReadModels()}, log: eventlog.New(store.Log())}
	h.restart(t, definitions...)
	return h
}

// ReadModels returns the counted read models.
func (h *house) ReadModels() carillon.ReadModels { return h.models }

// restart puts a new engine over the same store.
func (h *house) restart(t testing.TB, definitions ...projection.Definition) {
	t.Helper()
	h.engine = projection.NewEngine(h.log, h)
	for _, definition := range definitions {
		if err := h.engine.Add(definition); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs the engine until stop is called or the test ends. Call it in a synctest bubble.
func (h *house) run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.engine.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("the engine ended with %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	synctest.Wait()
	return stop
}

// append appends one event and returns its position.
func (h *house) append(t testing.TB, stream, typ string, value any) carillon.Position {
	t.Helper()
	return h.appendAll(t, stream, message(t, typ, value))
}

// appendAll appends events in one go, and returns the position of the last when everybody has had time to see it.
func (h *house) appendAll(t testing.TB, stream string, events ...carillon.Message) carillon.Position {
	t.Helper()
	a := carillon.Append{Stream: stream, Events: events}
	if stream != "" {
		a.Expect = carillon.AnyVersion()
	}
	appended, err := h.log.Append(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return appended.Last
}

func message(t testing.TB, typ string, value any) carillon.Message {
	t.Helper()
	payload, err := codec.JSON().Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	return carillon.Message{Type: typ, Payload: payload}
}

// wait waits for a projection, at most ten seconds of the bubble's time.
func (h *house) wait(t testing.TB, name string, position carillon.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.engine.Wait(ctx, name, position); err != nil {
		t.Fatal(err)
	}
}

// status is where one projection stands.
func (h *house) status(t testing.TB, name string) projection.Status {
	t.Helper()
	statuses, err := h.engine.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range statuses {
		if status.Name == name {
			return status
		}
	}
	t.Fatalf("no projection %q in %+v", name, statuses)
	return projection.Status{}
}

// checkpoint is how far a read model has durably come; -1 when the store does not know it.
func (h *house) checkpoint(t testing.TB, name string) carillon.Position {
	t.Helper()
	infos, err := h.models.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if info.Name == name {
			return info.Checkpoint
		}
	}
	return -1
}

// rowsOf is a read model by key.
func rowsOf[S any](t testing.TB, model *projection.Model[S], store carillon.Store) map[string]S {
	t.Helper()
	rows := make(map[string]S)
	for entry, err := range projection.NewView(model, store.ReadModels(), codec.JSON()).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rows[entry.Key] = entry.State
	}
	return rows
}

// said prints rows in order of key.
func said[S any](rows map[string]S) string {
	text := ""
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		text += fmt.Sprintf("%s:%+v ", key, rows[key])
	}
	return text
}

// models counts what is put and lets a test step in before an update commits.
type models struct {
	carillon.ReadModels

	mu      sync.Mutex
	updates []update
	// commit may fail an update of a model, after it has done its work.
	commit func(model carillon.ModelRef) error
}

// update is a transaction that committed.
type update struct {
	model      carillon.ModelRef
	durability carillon.Durability
	puts       int
}

func (m *models) Update(ctx context.Context, model carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	m.mu.Lock()
	commit := m.commit
	m.mu.Unlock()
	tx := &counted{}
	err := m.ReadModels.Update(ctx, model, durability, func(inner carillon.ReadModelTx) error {
		tx.ReadModelTx = inner
		if err := fn(tx); err != nil || commit == nil {
			return err
		}
		return commit(model)
	})
	if err == nil {
		m.mu.Lock()
		m.updates = append(m.updates, update{model, durability, tx.puts})
		m.mu.Unlock()
	}
	return err
}

// onCommit sets what stands before commits from now on; nil for nothing.
func (m *models) onCommit(commit func(model carillon.ModelRef) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commit = commit
}

// committed are the updates of a live model so far.
func (m *models) committed(name string) []update {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.updates), func(u update) bool { return u.model != carillon.ModelRef{Name: name} })
}

type counted struct {
	carillon.ReadModelTx
	puts int
}

func (c *counted) Put(rows []carillon.Row) error {
	c.puts += len(rows)
	return c.ReadModelTx.Put(rows)
}
