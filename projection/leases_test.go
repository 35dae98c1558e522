package projection_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
)

// leases are those of a store that several processes share. They never run out.
type leases struct {
	mu      sync.Mutex
	running map[string]carillon.Lease
	// interrupt is called when a segment has been claimed and before the answer goes out, which the context may keep back; nil for nothing.
	interrupt func()
}

func (l *leases) Claim(ctx context.Context, name, holder string, _ time.Duration) (carillon.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.running[name]; ok && old.Holder != holder {
		return carillon.Lease{}, fmt.Errorf("lease %q: %w", name, carillon.ErrLeaseHeld)
	}
	l.running[name] = carillon.Lease{Name: name, Holder: holder, Epoch: 1}
	if l.interrupt != nil && strings.HasPrefix(name, "projection/") {
		l.interrupt()
	}
	return l.running[name], ctx.Err()
}

func (l *leases) Renew(ctx context.Context, holder string, _ time.Duration) (renewed []carillon.Lease, err error) {
	infos, err := l.List(ctx, "")
	for _, info := range infos {
		if info.Holder == holder {
			renewed = append(renewed, info.Lease)
		}
	}
	return renewed, err
}

func (l *leases) Release(ctx context.Context, given ...carillon.Lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lease := range given {
		delete(l.running, lease.Name)
	}
	return ctx.Err()
}

func (l *leases) List(ctx context.Context, prefix string) ([]carillon.LeaseInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var infos []carillon.LeaseInfo
	for name, lease := range l.running {
		if strings.HasPrefix(name, prefix) {
			infos = append(infos, carillon.LeaseInfo{Lease: lease, Left: time.Hour})
		}
	}
	slices.SortFunc(infos, func(a, b carillon.LeaseInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos, ctx.Err()
}

// shared is a store in memory as several processes share it.
type shared struct {
	*memory.Store

	leases     *leases
	generation atomic.Int64 // of the only model
}

func newShared() *shared {
	return &shared{Store: memory.Volatile(), leases: &leases{running: make(map[string]carillon.Lease)}}
}

func (s *shared) Leases() carillon.Leases         { return s.leases }
func (s *shared) ReadModels() carillon.ReadModels { return sharedModels{s.Store.ReadModels(), s} }

type sharedModels struct {
	carillon.ReadModels
	store *shared
}

func (m sharedModels) Switch(ctx context.Context, name string) error {
	m.store.generation.Add(1)
	return m.ReadModels.Switch(ctx, name)
}

func (m sharedModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	return m.ReadModels.Update(ctx, ref, durability, func(tx carillon.ReadModelTx) error {
		return fn(sharedTx{tx, tx.(carillon.ParkingTx), m.store.generation.Load() + 1})
	})
}

// sharedTx takes any lease for held: there is one process at a time that writes.
type sharedTx struct {
	carillon.ReadModelTx
	carillon.ParkingTx
	generation int64
}

func (sharedTx) Fence(carillon.Lease) error { return nil }
func (tx sharedTx) Generation() int64       { return tx.generation }
