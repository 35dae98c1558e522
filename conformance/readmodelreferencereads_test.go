package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

func (m *referenceModels) Row(ctx context.Context, ref carillon.ModelRef, key string) (carillon.Row, carillon.Position, error) {
	r := (*reference)(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return carillon.Row{}, 0, err
	}
	found := r.state.models[r.ref(ref)]
	if found == nil {
		return carillon.Row{}, 0, carillon.ErrNotFound
	}
	row, ok := found.rows[r.key(key)]
	if r.is("reads a row and its checkpoint one after the other") {
		r.letIn()
		if found = r.state.models[r.ref(ref)]; found == nil {
			return carillon.Row{}, 0, carillon.ErrNotFound
		}
	}
	checkpoint := found.checkpoints[(&referenceTx{r: r, ref: ref}).segment()]
	if !ok {
		return carillon.Row{}, checkpoint, carillon.ErrNotFound
	}
	return r.show(row), checkpoint, nil
}

func (m *referenceModels) Rows(ctx context.Context, ref carillon.ModelRef, after string, limit int) ([]carillon.Row, error) {
	r := (*reference)(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	found := r.state.models[r.ref(ref)]
	if found == nil {
		return nil, nil
	}
	keys := slices.Sorted(maps.Keys(found.rows))
	var rows []carillon.Row
	switch r.fault {
	case "orders rows without regard to case":
		slices.SortFunc(keys, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	case "gives a row too many":
		limit++
	}
	for _, key := range keys {
		if (key > after || key == after && r.is("begins a page with the row before it")) && len(rows) < limit {
			rows = append(rows, r.show(found.rows[key]))
		}
	}
	if r.is("leaves out the last row of a full page") && len(rows) == limit && limit > 1 {
		rows = append(rows[:limit-2], rows[limit-1])
	}
	return rows, nil
}

func (m *referenceModels) Models(ctx context.Context) ([]carillon.ModelInfo, error) {
	r := (*reference)(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	infos := make(map[string]carillon.ModelInfo)
	for ref, found := range r.state.models {
		info, ok := infos[ref.Name]
		if !ok {
			info = carillon.ModelInfo{Name: ref.Name, Shadow: -1}
		}
		positions := slices.Sorted(maps.Values(found.checkpoints))
		at := positions[0]
		if r.is("says how far the fastest segment has come") {
			at = positions[len(positions)-1]
		}
		switch {
		case ref.Shadow && r.is("lists no shadows"):
		case ref.Shadow:
			info.Shadow = at
		default:
			info.Checkpoint = at
		}
		if !ref.Shadow || r.is("counts a shadow's rows with the live ones") {
			info.Rows += int64(len(found.rows))
		}
		infos[ref.Name] = info
	}
	var list []carillon.ModelInfo
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		if infos[name].Rows > 0 || !r.is("leaves out models without rows") {
			list = append(list, infos[name])
		}
	}
	if r.is("lists models backwards") {
		slices.Reverse(list)
	}
	return list, nil
}

func (m *referenceModels) Switch(ctx context.Context, name string) error {
	r := (*reference)(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return err
	}
	live, shadow := carillon.ModelRef{Name: name}, carillon.ModelRef{Name: name, Shadow: true}
	rebuilt := r.state.models[shadow]
	if rebuilt == nil {
		if r.is("switches although there is no shadow") {
			return nil
		}
		return carillon.ErrNotFound
	}
	if old := r.state.models[live]; old != nil && !r.is("switches to a shadow that is behind") {
		for _, at := range old.checkpoints {
			for _, reached := range rebuilt.checkpoints {
				if at > reached {
					if r.is("drops letters although it does not switch") {
						r.state.dropLetters(name, false)
					}
					return carillon.ErrConflict
				}
			}
		}
	}
	switch old := r.state.models[live]; {
	case r.is("puts a shadow's rows over the old ones") && old != nil:
		for key, row := range old.rows {
			if _, ok := rebuilt.rows[key]; !ok {
				rebuilt.rows[key] = row
			}
		}
	case r.is("keeps the old checkpoint in a switch") && old != nil:
		rebuilt.checkpoints = old.checkpoints
	case r.is("switches in two steps"):
		delete(r.state.models, live)
		r.letIn()
	case r.is("keeps one segment in a switch"):
		for segment := range rebuilt.checkpoints {
			if segment != 0 {
				delete(rebuilt.checkpoints, segment)
			}
		}
	}
	r.switchLetters(name)
	if r.is("switches the letters in a step of their own") {
		r.letIn()
	}
	r.state.models[live] = rebuilt
	if !r.is("keeps the shadow in a switch") {
		delete(r.state.models, shadow)
	}
	return nil
}

type referenceSnapshots reference

func (c *referenceSnapshots) LoadSnapshot(ctx context.Context, key string) (carillon.Snapshot, error) {
	r := (*reference)(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return carillon.Snapshot{}, err
	}
	snapshot, ok := r.cache[r.key(key)]
	if !ok && !r.is("loads a zero snapshot for none") {
		return carillon.Snapshot{}, carillon.ErrNotFound
	}
	return snapshot, nil
}

func (c *referenceSnapshots) SaveSnapshot(ctx context.Context, snapshot carillon.Snapshot) error {
	r := (*reference)(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return err
	}
	old, ok := r.cache[r.key(snapshot.Key)]
	later := ok && old.Fingerprint == snapshot.Fingerprint && old.At > snapshot.At
	switch {
	case later && !r.is("replaces a later snapshot"):
		return nil
	case ok && old.At == snapshot.At && r.is("keeps a snapshot of the same point"):
		return nil
	case ok && r.is("keeps the state of the snapshot before"):
		snapshot.State = old.State
	case !r.is("keeps the caller's bytes"):
		snapshot.State = slices.Clone(snapshot.State)
	}
	r.cache[r.key(snapshot.Key)] = snapshot
	return nil
}
