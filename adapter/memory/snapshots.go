package memory

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon"
)

type snapshots struct {
	closed *atomic.Bool

	mu    sync.RWMutex
	byKey map[string]carillon.Snapshot
}

func newSnapshots(closed *atomic.Bool) *snapshots {
	return &snapshots{closed: closed, byKey: make(map[string]carillon.Snapshot)}
}

func (s *snapshots) LoadSnapshot(ctx context.Context, key string) (carillon.Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := usable(ctx, s.closed); err != nil {
		return carillon.Snapshot{}, err
	}
	snapshot, ok := s.byKey[key]
	if !ok {
		return carillon.Snapshot{}, carillon.ErrNotFound
	}
	return snapshot, nil
}

func (s *snapshots) SaveSnapshot(ctx context.Context, snapshot carillon.Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := usable(ctx, s.closed); err != nil {
		return err
	}
	if old, ok := s.byKey[snapshot.Key]; !ok || old.Fingerprint != snapshot.Fingerprint || old.At <= snapshot.At {
		snapshot.State = slices.Clone(snapshot.State)
		s.byKey[snapshot.Key] = snapshot
	}
	return nil
}
