//go:build unix

package crashes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/postgres"
	"github.com/carillon-go/carillon/internal/processes"
)

// frailStore is a store in a process that may end at any point.
type frailStore struct {
	*postgres.Store
	schema   string
	fuse     *processes.Fuse
	report   bool // the outcome of each update is said
	torn     bool
	believed *beliefs // nil for a store that is asked
}

func newFrailStore(store *postgres.Store, j job) *frailStore {
	s := &frailStore{Store: store, schema: j.Schema, fuse: processes.NewFuse(j.Point, j.Hold, j.Count), report: j.Report, torn: j.Torn}
	if j.Unfenced {
		s.believed = &beliefs{at: make(map[carillon.ModelRef]carillon.Position)}
	}
	return s
}

func (s *frailStore) Log() carillon.Log       { return frailLog{s.Store.Log(), s.fuse} }
func (s *frailStore) Leases() carillon.Leases { return frailLeases{s.Store.Leases(), s.fuse} }

func (s *frailStore) ReadModels() carillon.ReadModels { return frailModels{s.Store.ReadModels(), s} }

type frailLog struct {
	carillon.Log
	fuse *processes.Fuse
}

func (l frailLog) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	l.fuse.At("before append")
	verdicts, err := l.Log.Append(ctx, batch)
	if err == nil && len(batch) > 0 {
		l.fuse.At("after append")
	}
	return verdicts, err
}

type frailLeases struct {
	carillon.Leases
	fuse *processes.Fuse
}

func (l frailLeases) Claim(ctx context.Context, name, holder string, ttl time.Duration) (carillon.Lease, error) {
	l.fuse.At("before claim")
	lease, err := l.Leases.Claim(ctx, name, holder, ttl)
	if err == nil {
		l.fuse.At("after claim")
	}
	return lease, err
}

func (l frailLeases) Renew(ctx context.Context, holder string, ttl time.Duration) ([]carillon.Lease, error) {
	leases, err := l.Leases.Renew(ctx, holder, ttl)
	l.fuse.At("after renew")
	return leases, err
}

func (l frailLeases) Release(ctx context.Context, leases ...carillon.Lease) error {
	l.fuse.At("before release")
	return l.Leases.Release(ctx, leases...)
}

// outcome is what became of an update under a lease.
type outcome struct {
	Lease carillon.Lease
	To    carillon.Position
	Lost  bool
}

type frailModels struct {
	carillon.ReadModels
	store *frailStore
}

func (m frailModels) Update(ctx context.Context, ref carillon.ModelRef, d carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	tx := &frailTx{fuse: m.store.fuse, torn: m.store.torn, believed: m.store.believed, ref: ref}
	err := m.ReadModels.Update(ctx, ref, d, func(inner carillon.ReadModelTx) error {
		tx.full = inner.(full)
		tx.fuse.At("begun")
		err := fn(tx)
		if err == nil && m.store.report && tx.lease.Name != "" {
			err = tx.audit(ctx, m.store.schema)
		}
		tx.fuse.At("before commit")
		return err
	})
	if err == nil {
		tx.fuse.At("after commit")
	}
	if err == nil && tx.torn && tx.moved {
		tx.fuse.At("between rows and checkpoint")
		err = m.ReadModels.Update(ctx, ref, d, func(inner carillon.ReadModelTx) error { return inner.Advance(tx.to) })
	}
	if err == nil && tx.moved {
		tx.believed.set(ref, tx.to)
	}
	if m.store.report && tx.lease.Name != "" {
		if text, err := json.Marshal(outcome{Lease: tx.lease, To: tx.to, Lost: errors.Is(err, carillon.ErrLeaseLost)}); err == nil {
			processes.Say("outcome " + string(text))
		}
	}
	return err
}

func (m frailModels) Row(ctx context.Context, ref carillon.ModelRef, key string) (carillon.Row, carillon.Position, error) {
	row, at, err := m.ReadModels.Row(ctx, ref, key)
	if key == "" { // that is how an engine asks for a checkpoint
		m.store.believed.set(ref, at)
	}
	return row, at, err
}

// full is all that a transaction of the store offers to engines.
type full interface {
	carillon.ReadModelTx
	carillon.FencedTx
	carillon.ParkingTx
	carillon.SQLTx
}

type frailTx struct {
	full
	fuse     *processes.Fuse
	torn     bool
	believed *beliefs
	ref      carillon.ModelRef
	lease    carillon.Lease
	moved    bool
	to       carillon.Position
}

// audit notes the lease of the update, and the epoch that the lease has now.
func (t *frailTx) audit(ctx context.Context, schema string) error {
	_, err := t.full.SQL().ExecContext(ctx, fmt.Sprintf("INSERT INTO %[1]s.audit SELECT $1, $2, epoch FROM %[1]s.leases WHERE name = $1", schema),
		t.lease.Name, t.lease.Epoch)
	return err
}

func (t *frailTx) Fence(lease carillon.Lease) error {
	t.lease = lease
	if t.believed != nil {
		return nil
	}
	return t.full.Fence(lease)
}

func (t *frailTx) Checkpoint() (carillon.Position, error) {
	if t.believed != nil {
		return t.believed.get(t.ref), nil
	}
	return t.full.Checkpoint()
}

func (t *frailTx) Put(rows []carillon.Row) error {
	t.fuse.At("before put")
	err := t.full.Put(rows)
	t.fuse.At("after put")
	return err
}

func (t *frailTx) Advance(to carillon.Position) error {
	t.moved, t.to = true, to
	if t.torn {
		return nil
	}
	return t.full.Advance(to)
}

// beliefs are the checkpoints as a process remembers them, whatever others have written since.
type beliefs struct {
	mu sync.Mutex
	at map[carillon.ModelRef]carillon.Position
}

func (b *beliefs) set(ref carillon.ModelRef, at carillon.Position) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at[ref] = at
}

func (b *beliefs) get(ref carillon.ModelRef) carillon.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at[ref]
}
