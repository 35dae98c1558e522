package conformance

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// reference is a store with everything the kit knows to check but SQL, and with one fault at most. The log is that of the memory
// adapter.
type reference struct {
	carillon.Store

	fault string

	mu     sync.Mutex
	closed bool
	state  state
	calls  int64 // of all methods
	// generations is how many models were made.
	generations int64
	cache       map[string]carillon.Snapshot

	leasing sync.Mutex // held by a fenced transaction until it ends; taken after mu
	held    map[string]heldLease
}

// state is what one transaction changes.
type state struct {
	models  map[carillon.ModelRef]*modelState // by name and shadow
	letters map[letterKey][]carillon.DeadLetter
	retries map[letterKey]bool
	inbox   map[inboxKey]bool
}

type modelState struct {
	generation  int64
	checkpoints map[int]carillon.Position
	rows        map[string]carillon.Row
}

type letterKey struct {
	consumer, key string
	shadow        bool
}

// faulty opens the reference with a fault.
func faulty(fault string) LogOpener {
	return func(testing.TB) carillon.Opener { return newReference(fault) }
}

func newReference(fault string) *reference {
	return &reference{
		Store: memory.Volatile(), fault: fault, state: newState(),
		cache: make(map[string]carillon.Snapshot), held: make(map[string]heldLease),
	}
}

func newState() state {
	return state{
		models:  make(map[carillon.ModelRef]*modelState),
		letters: make(map[letterKey][]carillon.DeadLetter),
		retries: make(map[letterKey]bool),
		inbox:   make(map[inboxKey]bool),
	}
}

func (s state) clone() state {
	copied := state{models: make(map[carillon.ModelRef]*modelState), letters: make(map[letterKey][]carillon.DeadLetter), retries: maps.Clone(s.retries)}
	copied.inbox = maps.Clone(s.inbox)
	for ref, m := range s.models {
		copied.models[ref] = &modelState{generation: m.generation, checkpoints: maps.Clone(m.checkpoints), rows: maps.Clone(m.rows)}
	}
	for key, letters := range s.letters {
		copied.letters[key] = slices.Clone(letters)
	}
	return copied
}

// is reports whether the reference has a fault.
func (r *reference) is(fault string) bool { return r.fault == fault }

func (r *reference) Open(ctx context.Context) (carillon.Store, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = false
	if _, err := r.Store.(carillon.Opener).Open(ctx); err != nil {
		return nil, err
	}
	if r.is("takes segments without having leases") {
		return struct{ carillon.Store }{r}, nil
	}
	return r, nil
}

func (r *reference) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = !r.is("serves after it was closed")
	switch r.fault {
	case "forgets read models when it is closed":
		r.state.models = make(map[carillon.ModelRef]*modelState)
	case "forgets dead letters when it is closed":
		r.state.letters = make(map[letterKey][]carillon.DeadLetter)
	case "forgets snapshots when it is closed":
		clear(r.cache)
	case "forgets what was received when it is closed":
		clear(r.state.inbox)
	}
	return r.Store.Close()
}

func (r *reference) usable(ctx context.Context) error {
	r.calls++
	if r.closed {
		return carillon.ErrClosed
	}
	return ctx.Err()
}

// letIn lets others in between two steps that should be one: until somebody has come, or for a moment if there is nobody.
func (r *reference) letIn() {
	before := r.calls
	for end := time.Now().Add(5 * time.Millisecond); r.calls == before && time.Now().Before(end); {
		r.mu.Unlock()
		pause()
		r.mu.Lock()
	}
}

func (r *reference) ReadModels() carillon.ReadModels   { return (*referenceModels)(r) }
func (r *reference) Snapshots() carillon.Snapshots     { return (*referenceSnapshots)(r) }
func (r *reference) Leases() carillon.Leases           { return (*referenceLeases)(r) }
func (r *reference) DeadLetters() carillon.DeadLetters { return (*referenceLetters)(r) }

type referenceModels reference

// key is a key as the reference keeps it.
func (r *reference) key(key string) string {
	switch r.fault {
	case "ends keys at a zero byte":
		key, _, _ = strings.Cut(key, "\x00")
	case "cuts long keys":
		key = key[:min(len(key), 254)]
	case "takes keys without regard to case":
		key = strings.ToLower(key)
	}
	return key
}

// ref is a model as the reference knows it, without its segment.
func (r *reference) ref(ref carillon.ModelRef) carillon.ModelRef {
	ref.Segment = 0
	if r.is("keeps a shadow's rows with the live ones") {
		ref.Shadow = false
	}
	return ref
}

func (m *referenceModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	r := (*reference)(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	begin := ctx
	if r.is("begins updates whose context is cancelled") {
		begin = context.WithoutCancel(ctx)
	}
	if err := r.usable(begin); err != nil {
		return err
	}
	tx := &referenceTx{r: r, ref: ref, before: r.state, state: r.state.clone()}
	tx.open()
	defer tx.release()
	if r.is("runs updates side by side") {
		r.mu.Unlock()
		pause()
		defer r.mu.Lock()
	}
	finished := false
	defer func() {
		if !finished && r.is("commits what fn panicked in") {
			r.state = tx.state
		}
		if !finished && r.is("publishes what fn panicked in") {
			_ = r.deliver(tx.outbox, nil) // the panic goes on
		}
	}()
	err := fn(tx)
	finished = true
	if r.is("runs updates side by side") {
		pause()
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	return tx.end(ctx, durability, err)
}

// end commits, or not.
func (t *referenceTx) end(ctx context.Context, durability carillon.Durability, err error) error {
	r := t.r
	if err == nil && !r.is("lets fn overlook that a lease is lost") {
		err = t.lost
	}
	if publishing := t.publish(err == nil); err == nil {
		err = publishing
	}
	switch {
	case err != nil && r.is("commits what fn failed at"):
		r.state = t.state
	case err != nil && r.is("moves the checkpoint although fn failed"):
		if m := r.state.models[r.ref(t.ref)]; m != nil {
			m.checkpoints[t.ref.Segment] = t.at()
		}
	case err != nil && r.is("makes a model although its first update failed"):
		if r.state.models[r.ref(t.ref)] == nil {
			r.state.models[r.ref(t.ref)] = newModelState()
		}
	case err != nil:
	case ctx.Err() != nil && r.is("commits half of what was cancelled"):
		if m := r.state.models[r.ref(t.ref)]; m != nil {
			m.checkpoints[t.ref.Segment] = t.at()
		} else {
			r.state = t.state
		}
	case ctx.Err() != nil && r.is("denies that a cancelled update took place"):
		r.state = t.state
		return ctx.Err()
	case durability == carillon.Flushed && r.is("does not write what is to be flushed"):
	default:
		r.state = t.state
	}
	return err
}

func newModelState() *modelState {
	return &modelState{checkpoints: map[int]carillon.Position{0: 0}, rows: make(map[string]carillon.Row)}
}

// referenceTx changes a copy.
type referenceTx struct {
	r      *reference
	ref    carillon.ModelRef
	before state
	state  state
	fenced bool
	lost   error
	outbox []outgoing
}

func (t *referenceTx) open() {
	ref := t.r.ref(t.ref)
	if t.state.models[ref] == nil {
		m := newModelState()
		t.r.generations++
		m.generation = t.r.generations
		if t.ref.Segment != 0 {
			delete(m.checkpoints, 0)
		}
		t.state.models[ref] = m
	}
	if _, ok := t.model().checkpoints[t.segment()]; !ok {
		t.model().checkpoints[t.segment()] = 0
	}
}

func (t *referenceTx) segment() int {
	if t.r.is("has one checkpoint for all segments") {
		return 0
	}
	return t.ref.Segment
}

func (t *referenceTx) model() *modelState    { return t.state.models[t.r.ref(t.ref)] }
func (t *referenceTx) at() carillon.Position { return t.model().checkpoints[t.segment()] }

func (t *referenceTx) Checkpoint() (carillon.Position, error) {
	if old := t.before.models[t.r.ref(t.ref)]; t.r.is("hides its own checkpoint from an update") {
		if old == nil {
			return 0, nil
		}
		return old.checkpoints[t.segment()], nil
	}
	return t.at(), nil
}

func (t *referenceTx) Row(key string) (carillon.Row, error) {
	rows := t.model().rows
	old := t.before.models[t.r.ref(t.ref)]
	switch {
	case t.r.is("hides its own rows from an update") && old != nil:
		rows = old.rows
	case t.r.is("shows an update what it deleted") && old != nil:
		if row, ok := old.rows[key]; ok && rows[key].Value == nil {
			return row, nil
		}
	}
	row, ok := rows[t.r.key(key)]
	if !ok {
		return row, carillon.ErrNotFound
	}
	return t.r.show(row), nil
}

// show is a row as it is read.
func (r *reference) show(row carillon.Row) carillon.Row {
	if r.is("reads an empty value as none") && len(row.Value) == 0 {
		row.Value = nil
	}
	return row
}

func (t *referenceTx) Put(rows []carillon.Row) error {
	rows = slices.Clone(rows)
	switch t.r.fault {
	case "counts the first of several rows with one key":
		slices.Reverse(rows)
	case "deletes before it writes":
		slices.SortStableFunc(rows, func(a, b carillon.Row) int { return min(len(a.Value), 1) - min(len(b.Value), 1) })
	}
	for _, row := range rows {
		if row.Value == nil || len(row.Value) == 0 && t.r.is("takes an empty value for a deletion") {
			delete(t.model().rows, t.r.key(row.Key))
			continue
		}
		if !t.r.is("keeps the caller's bytes") {
			row.Value = slices.Clone(row.Value)
		}
		if t.r.is("forgets versions") {
			row.Version = 0
		}
		row.Key = t.r.key(row.Key)
		t.model().rows[row.Key] = row
	}
	return nil
}

func (t *referenceTx) Advance(to carillon.Position) error {
	if t.r.is("keeps positions in 32 bits") {
		to = carillon.Position(int32(to))
	}
	t.model().checkpoints[t.segment()] = to
	return nil
}

func (t *referenceTx) Clear() error {
	t.clearLetters()
	switch t.r.fault {
	case "clears the rows of all models":
		for _, m := range t.state.models {
			m.rows = make(map[string]carillon.Row)
		}
	case "clears the rows and not the checkpoint":
		t.model().rows = make(map[string]carillon.Row)
		return nil
	case "clears what was there before the update":
		for key := range t.before.models[t.r.ref(t.ref)].rows {
			delete(t.model().rows, key)
		}
		return t.Advance(0)
	}
	t.model().rows = make(map[string]carillon.Row)
	return t.Advance(0)
}

var errRefused = errors.New("refused")
