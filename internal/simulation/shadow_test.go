package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/carillon-go/carillon"
)

// shadowMark ends the names of shadows.
const shadowMark = ", shadow"

// modelName is under which name the database keeps a model.
func modelName(ref carillon.ModelRef) string {
	if ref.Shadow {
		return ref.Name + shadowMark
	}
	return ref.Name
}

// least and most are the checkpoints of a model's slowest and fastest segments.
func (m *model) least() (at carillon.Position) {
	for i, segment := range slices.Sorted(maps.Keys(m.segments)) {
		if p := m.segments[segment]; i == 0 || p.checkpoint < at {
			at = p.checkpoint
		}
	}
	return at
}

func (m *model) most() (at carillon.Position) {
	for _, p := range m.segments {
		at = max(at, p.checkpoint)
	}
	return at
}

// hold takes the locks of all segments of a model, as long as it is the one of its name; false when it is not.
func (d *database) hold(name string, m *model) (release func(), held bool) {
	if m == nil {
		return func() {}, d.models[name] == nil
	}
	var taken []*part
	release = func() {
		for _, p := range taken {
			p.lock.give()
		}
	}
	for _, segment := range slices.Sorted(maps.Keys(m.segments)) {
		p := m.segments[segment]
		d.world.take(&p.lock)
		taken = append(taken, p)
		if d.models[name] != m || m.segments[segment] != p {
			release()
			return nil, false
		}
	}
	return release, true
}

// replace makes a shadow the live model, and returns how far the old one had come.
func (d *database) replace(name string) (before carillon.Position, err error) {
	shadowed := modelName(carillon.ModelRef{Name: name, Shadow: true})
	for !d.world.halted {
		live, shadow := d.models[name], d.models[shadowed]
		if shadow == nil {
			return 0, carillon.ErrNotFound
		}
		releaseLive, held := d.hold(name, live)
		if !held {
			continue
		}
		releaseShadow, held := d.hold(shadowed, shadow)
		if !held {
			releaseLive()
			continue
		}
		defer releaseLive()
		defer releaseShadow()
		if live != nil {
			before = live.most()
		}
		if before > shadow.least() && d.world.bug != switchUnchecked {
			return 0, fmt.Errorf("the shadow is at %d, the live model at %d: %w", shadow.least(), before, carillon.ErrConflict)
		}
		if d.world.bug == switchWithoutCheckpoints && live != nil {
			shadow.segments = live.segments
		}
		d.models[name] = shadow
		delete(d.models, shadowed)
		switch d.world.bug {
		case switchKeepsLetters:
		case switchDropsLetters:
			d.letters.drop(name)
		default:
			d.letters.replace(name)
		}
		return before, nil
	}
	return 0, errDown
}

// Clear removes rows and checkpoints with the commit.
func (t *transaction) Clear() error {
	t.cleared, t.checkpoint, t.moved = true, 0, true
	clear(t.rows)
	t.parking = append(t.parking, func(l *letters) { l.drop(modelName(t.ref)) })
	return nil
}

// wipe is what a commit does for Clear.
func (t *transaction) wipe() {
	clear(t.model.rows)
	maps.DeleteFunc(t.model.segments, func(_ int, p *part) bool { return p != t.part })
}

func (m sessionModels) Switch(ctx context.Context, name string) error {
	return m.call(ctx, "switch "+name, func(f fate) (string, error) {
		if f.aborted {
			return "", errTakenBack
		}
		before, err := m.world.database.replace(name)
		if err != nil {
			return "", err
		}
		m.world.audit.switched(name, before)
		return "switched", nil
	})
}

// switched looks at a read model that was replaced; before is how far its fastest segment had come.
func (a *audit) switched(name string, before carillon.Position) {
	if at := a.world.database.models[name].least(); at < before {
		a.violate("a checkpoint never goes back", "%s from %d to %d by a switch", name, before, at)
	}
	for _, f := range a.folds {
		for i := range f.segments {
			if f.name == name && a.found == nil {
				a.compare(f, i, a.world.database.checkpoint(carillon.ModelRef{Name: name, Segment: i}))
			}
		}
	}
}
