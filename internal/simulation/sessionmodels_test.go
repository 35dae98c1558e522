package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

// sessionModels are the read models as a process reaches them.
type sessionModels struct{ *session }

func (m sessionModels) Update(
	ctx context.Context, ref carillon.ModelRef, _ carillon.Durability, fn func(carillon.ReadModelTx) error,
) error {
	w := m.world
	request := fmt.Sprintf("update %s/%d", modelName(ref), ref.Segment)
	err := m.call(ctx, request, func(f fate) (string, error) {
		t := w.database.begin(m.session, ref, request)
		w.mu.Unlock()
		err := fn(t)
		w.mu.Lock()
		if err != nil {
			t.end()
			return "", err
		}
		if f.late > 0 {
			w.do(func() {
				w.pass(f.late)
				w.mu.Lock()
				defer w.mu.Unlock()
				m.finish(t, ref, f)
			})
			return "", doubt(errLost)
		}
		w.outstay(f.work)
		w.mu.Unlock()
		m.thaw(m.name + " " + request)
		w.mu.Lock()
		switch {
		case w.halted || m.dead && !f.outlives:
			t.end()
			return "", errDown
		case f.aborted:
			t.end()
			return "", errTakenBack
		}
		m.finish(t, ref, f)
		return fmt.Sprintf("at %d, rows %v", t.checkpoint, slices.Sorted(maps.Keys(t.rows))), nil
	})
	if errors.Is(err, carillon.ErrLeaseLost) {
		w.locked(func() { w.audit.refused(m.session, ref) })
	}
	return decided(err)
}

// finish commits a transaction and lets go of its locks.
func (m sessionModels) finish(t *transaction, ref carillon.ModelRef, f fate) {
	w := m.world
	if !w.halted {
		before := w.database.checkpoint(ref)
		t.commit(f.lost)
		if f.late > 0 {
			w.note("%s update %s/%d, late: at %d", m.name, modelName(ref), ref.Segment, t.checkpoint)
		}
		w.audit.committed(t, ref, before)
	}
	t.end()
}

func (m sessionModels) Row(ctx context.Context, ref carillon.ModelRef, key string) (row carillon.Row, at carillon.Position, err error) {
	err = m.call(ctx, fmt.Sprintf("row %s/%d %q", modelName(ref), ref.Segment, key), func(fate) (string, error) {
		at = m.world.database.checkpoint(ref)
		found, ok := carillon.Row{}, false
		if stored := m.world.database.models[modelName(ref)]; stored != nil {
			found, ok = stored.rows[key]
		}
		if !ok {
			return "", fmt.Errorf("as of %d: %w", at, carillon.ErrNotFound)
		}
		row = found
		if m.world.bug == pauseIgnored {
			row.Value = bytes.ReplaceAll(row.Value, []byte(`,"paused":true`), nil)
		}
		return fmt.Sprintf("as of %d", at), nil
	})
	return row, at, err
}

func (m sessionModels) Rows(ctx context.Context, ref carillon.ModelRef, after string, limit int) (rows []carillon.Row, err error) {
	err = m.call(ctx, fmt.Sprintf("rows %s after %q", modelName(ref), after), func(fate) (string, error) {
		stored := m.world.database.models[modelName(ref)]
		if stored == nil {
			return "none", nil
		}
		for _, key := range slices.Sorted(maps.Keys(stored.rows)) {
			if key > after && len(rows) < limit {
				rows = append(rows, stored.rows[key])
			}
		}
		return fmt.Sprint(len(rows)), nil
	})
	return rows, err
}

func (m sessionModels) Models(ctx context.Context) (infos []carillon.ModelInfo, err error) {
	err = m.call(ctx, "models", func(fate) (string, error) {
		for _, name := range slices.Sorted(maps.Keys(m.world.database.models)) {
			stored := m.world.database.models[name]
			info := carillon.ModelInfo{Name: name, Rows: int64(len(stored.rows)), Shadow: -1}
			for i, segment := range slices.Sorted(maps.Keys(stored.segments)) {
				if at := stored.segments[segment].checkpoint; i == 0 || at < info.Checkpoint {
					info.Checkpoint = at
				}
			}
			infos = append(infos, info)
		}
		return fmt.Sprint(len(infos)), nil
	})
	return infos, err
}

// sessionSnapshots are the snapshots as a process reaches them.
type sessionSnapshots struct{ *session }

func (s sessionSnapshots) LoadSnapshot(ctx context.Context, key string) (snapshot carillon.Snapshot, err error) {
	err = s.call(ctx, "snapshot of "+key, func(fate) (string, error) {
		found, ok := s.world.database.snapshots[key]
		if !ok {
			return "", carillon.ErrNotFound
		}
		snapshot = found
		return fmt.Sprintf("at %d", found.At), nil
	})
	return snapshot, err
}

func (s sessionSnapshots) SaveSnapshot(ctx context.Context, snapshot carillon.Snapshot) error {
	return s.call(ctx, fmt.Sprintf("save snapshot of %s at %d", snapshot.Key, snapshot.At), func(fate) (string, error) {
		s.world.database.saveSnapshot(snapshot)
		return "saved", nil
	})
}

// sessionLeases are the leases as a process reaches them.
type sessionLeases struct{ *session }

// unnamed replaces what processes call themselves, which is random, by what the run calls them. The caller holds the lock.
func (w *world) unnamed(text string) string {
	for _, s := range w.holders {
		text = strings.ReplaceAll(text, s.holder, s.name)
	}
	return text
}

func (l sessionLeases) Claim(ctx context.Context, name, holder string, ttl time.Duration) (given carillon.Lease, err error) {
	request := ""
	l.world.locked(func() {
		if l.holder == "" {
			l.holder = holder
			l.world.holders = append(l.world.holders, l.session)
		}
		request = l.world.unnamed("claim " + name)
	})
	err = l.call(ctx, request, func(fate) (string, error) {
		given, err = l.world.database.claim(name, holder, ttl, l.name+request)
		if err != nil {
			return "", err
		}
		l.world.audit.claimed(l.session, given, ttl)
		return fmt.Sprintf("epoch %d", given.Epoch), nil
	})
	return given, err
}

func (l sessionLeases) Renew(ctx context.Context, holder string, ttl time.Duration) (renewed []carillon.Lease, err error) {
	err = l.call(ctx, "renew", func(fate) (string, error) {
		renewed = l.world.database.renew(holder, ttl, l.name)
		l.world.audit.renewed(l.session, renewed, ttl)
		return fmt.Sprintf("%d leases", len(renewed)), nil
	})
	return renewed, err
}

func (l sessionLeases) Release(ctx context.Context, leases ...carillon.Lease) error {
	names := make([]string, len(leases))
	leases = slices.Clone(leases)
	l.world.locked(func() {
		slices.SortFunc(leases, func(a, b carillon.Lease) int {
			return strings.Compare(l.world.unnamed(a.Name), l.world.unnamed(b.Name))
		})
		for i, lease := range leases {
			names[i] = l.world.unnamed(lease.Name)
		}
	})
	return l.call(ctx, "release "+strings.Join(names, ","), func(fate) (string, error) {
		l.world.database.release(leases, l.name+"release")
		l.world.audit.released(leases)
		return "released", nil
	})
}

func (l sessionLeases) List(ctx context.Context, prefix string) (infos []carillon.LeaseInfo, err error) {
	err = l.call(ctx, "list "+prefix, func(fate) (string, error) {
		infos = l.world.database.list(prefix)
		return fmt.Sprintf("%d leases", len(infos)), nil
	})
	return infos, err
}
