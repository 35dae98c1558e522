package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

type readModels struct {
	closed *atomic.Bool

	mu     sync.RWMutex
	models map[carillon.ModelRef]*model
	parked parked
	inbox  map[receipt]bool
	topics *topics
}

type model struct {
	checkpoint carillon.Position
	rows       map[string]carillon.Row
}

func newReadModels(closed *atomic.Bool, topics *topics) *readModels {
	return &readModels{closed: closed, models: make(map[carillon.ModelRef]*model), parked: newParked(), inbox: make(map[receipt]bool), topics: topics}
}

// Update runs fn against a copy, which replaces the model when fn succeeds. A store in memory has one process, so a model has one
// segment: any other than 0 is refused with [carillon.ErrUnsupported].
func (r *readModels) Update(ctx context.Context, ref carillon.ModelRef, _ carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := usable(ctx, r.closed); err != nil {
		return err
	}
	if ref.Segment != 0 {
		return fmt.Errorf("segment %d of %q: a store in memory has one segment: %w", ref.Segment, ref.Name, carillon.ErrUnsupported)
	}
	tx := &update{models: r, ref: ref, staged: make(map[string]carillon.Row)}
	if current := r.models[ref]; current != nil {
		tx.model = *current
	}
	if err := fn(tx); err != nil {
		return err
	}
	release, err := tx.admit()
	defer release()
	if err != nil {
		return err
	}
	tx.exchange()
	if tx.rows == nil {
		tx.rows = make(map[string]carillon.Row)
	}
	for key, row := range tx.staged {
		if row.Value == nil {
			delete(tx.rows, key)
		} else {
			tx.rows[key] = row
		}
	}
	r.models[ref] = &tx.model
	for _, change := range tx.parking {
		change(r.parked)
	}
	return nil
}

// update stages rows over the model as it stood, and what is to be done to dead letters.
type update struct {
	model
	models   *readModels
	ref      carillon.ModelRef
	staged   map[string]carillon.Row
	parking  []func(parked)
	letters  map[letterPlace]bool // those it has parked, and as false those it has unparked
	dropped  bool                 // the letters that were there
	outbox   []outgoing
	received map[receipt]bool
}

func (u *update) Checkpoint() (carillon.Position, error) { return u.checkpoint, nil }

func (u *update) Row(key string) (carillon.Row, error) {
	row, ok := u.staged[key]
	if !ok {
		row = u.rows[key]
	}
	if row.Value == nil {
		return carillon.Row{}, carillon.ErrNotFound
	}
	return row, nil
}

func (u *update) Put(rows []carillon.Row) error {
	for _, row := range rows {
		row.Value = slices.Clone(row.Value)
		u.staged[row.Key] = row
	}
	return nil
}

func (u *update) Advance(to carillon.Position) error {
	u.checkpoint = to
	return nil
}

func (u *update) Clear() error {
	u.model, u.staged = model{}, make(map[string]carillon.Row)
	u.parking = append(u.parking, func(p parked) { p.drop(u.ref.Name, u.ref.Shadow) })
	u.letters, u.dropped = nil, true
	return nil
}

func (r *readModels) Row(ctx context.Context, ref carillon.ModelRef, key string) (carillon.Row, carillon.Position, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := usable(ctx, r.closed); err != nil {
		return carillon.Row{}, 0, err
	}
	m := r.models[carillon.ModelRef{Name: ref.Name, Shadow: ref.Shadow}]
	if m == nil {
		return carillon.Row{}, 0, carillon.ErrNotFound
	}
	row, ok := m.rows[key]
	if !ok {
		return carillon.Row{}, m.checkpoint, carillon.ErrNotFound
	}
	return row, m.checkpoint, nil
}

func (r *readModels) Rows(ctx context.Context, ref carillon.ModelRef, after string, limit int) ([]carillon.Row, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := usable(ctx, r.closed); err != nil {
		return nil, err
	}
	m := r.models[carillon.ModelRef{Name: ref.Name, Shadow: ref.Shadow}]
	if m == nil {
		return nil, nil
	}
	var rows []carillon.Row
	for _, key := range slices.Sorted(maps.Keys(m.rows)) {
		if key > after && len(rows) < limit {
			rows = append(rows, m.rows[key])
		}
	}
	return rows, nil
}

func (r *readModels) Models(ctx context.Context) ([]carillon.ModelInfo, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := usable(ctx, r.closed); err != nil {
		return nil, err
	}
	infos := make(map[string]carillon.ModelInfo)
	for ref, m := range r.models {
		info, ok := infos[ref.Name]
		if !ok {
			info = carillon.ModelInfo{Name: ref.Name, Shadow: -1}
		}
		if ref.Shadow {
			info.Shadow = m.checkpoint
		} else {
			info.Checkpoint, info.Rows = m.checkpoint, int64(len(m.rows))
		}
		infos[ref.Name] = info
	}
	var sorted []carillon.ModelInfo
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		sorted = append(sorted, infos[name])
	}
	return sorted, nil
}

func (r *readModels) Switch(ctx context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := usable(ctx, r.closed); err != nil {
		return err
	}
	shadow := carillon.ModelRef{Name: name, Shadow: true}
	m := r.models[shadow]
	if m == nil {
		return carillon.ErrNotFound
	}
	if live := r.models[carillon.ModelRef{Name: name}]; live != nil && live.checkpoint > m.checkpoint {
		return fmt.Errorf("the shadow of %q is behind the live model: %w", name, carillon.ErrConflict)
	}
	r.models[carillon.ModelRef{Name: name}] = m
	delete(r.models, shadow)
	r.parked.replace(name)
	return nil
}
