package simulation

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"maps"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

// fold is what a read model has to be: the log folded by a loop, as of every position.
type fold struct {
	name     string
	segments int
	model    *projection.Model[tally]
	after    []map[string]tally // by position: before the first event, after it, …
}

func newFold(name string, segments int, model *projection.Model[tally]) *fold {
	return &fold{name: name, segments: segments, model: model, after: []map[string]tally{{}}}
}

func (f *fold) add(event carillon.Recorded) error {
	rows := maps.Clone(f.after[len(f.after)-1])
	err := f.model.Fold(codec.JSON(), rows, event)
	f.after = append(f.after, rows)
	return err
}

// segmentOf is where a key belongs.
func segmentOf(key string, segments int) int {
	hash := fnv.New32a()
	hash.Write([]byte(key))
	return int(hash.Sum32() % uint32(segments))
}

// wanted is what a segment has to hold as of a position: the log folded, but for the keys that are parked, which stand before their first
// letters.
func (a *audit) wanted(f *fold, segment int, at carillon.Position) map[string]tally {
	want := f.after[at]
	for key := range want {
		first := a.world.database.letters.first(parkedKey{f.name, laneKey(key, segment, f.segments)})
		if first == 0 || first > at {
			continue
		}
		if before, ok := f.after[first-1][key]; ok {
			want = with(want, key, before)
		} else {
			want = without(want, key)
		}
	}
	return want
}

func with(rows map[string]tally, key string, row tally) map[string]tally {
	rows = maps.Clone(rows)
	rows[key] = row
	return rows
}

func without(rows map[string]tally, key string) map[string]tally {
	rows = maps.Clone(rows)
	delete(rows, key)
	return rows
}

// compare compares the rows of a segment with what they have to be as of a position.
func (a *audit) compare(f *fold, segment int, at carillon.Position) {
	rows := map[string]carillon.Row{}
	if m := a.world.database.models[f.name]; m != nil {
		rows = m.rows
	}
	if int(at) >= len(f.after) {
		a.violate("a read model follows the log", "%s/%d is at position %d of %d", f.name, segment, at, a.seen)
		return
	}
	want := a.wanted(f, segment, at)
	for key, row := range rows {
		var got tally
		if segmentOf(key, f.segments) != segment {
			continue
		}
		if err := json.Unmarshal(row.Value, &got); err != nil || got != want[key] {
			a.violate("a read model is a fold of the log", "%s/%d at position %d: row %q is %+v, not %+v (%v)", f.name, segment, at, key, got, want[key], err)
		}
	}
	for key := range want {
		if _, ok := rows[key]; !ok && segmentOf(key, f.segments) == segment {
			a.violate("a read model is a fold of the log", "%s/%d at position %d: row %q is missing", f.name, segment, at, key)
		}
	}
}

// committed looks at a read model after a commit; before is where its checkpoint was.
func (a *audit) committed(t *transaction, ref carillon.ModelRef, before carillon.Position) {
	if a.fenced(t, ref); ref.Shadow {
		return
	}
	at := a.world.database.checkpoint(ref)
	if at < before {
		a.violate("a checkpoint never goes back", "%s/%d from %d to %d", ref.Name, ref.Segment, before, at)
	}
	if at > carillon.Position(a.seen) && (ref.Name != notices || at > noticesAfter) {
		a.violate("a checkpoint stays behind the log", "%s/%d is at %d of %d", ref.Name, ref.Segment, at, a.seen)
	}
	for _, f := range a.folds {
		if f.name == ref.Name && a.found == nil {
			a.compare(f, ref.Segment, at)
		}
	}
	if ref.Name == notices {
		for _, problem := range a.effects.before(a.world.database.letters, ref.Segment, at) {
			a.violate("a reactor's checkpoint stays behind its effects", "%s/%d is at %d, and %s", ref.Name, ref.Segment, at, problem)
		}
	}
}

// decoded is the value of an event.
func decoded(event carillon.Recorded) any {
	decode := func(value any) any {
		if json.Unmarshal(event.Payload, value) != nil {
			return nil
		}
		return value
	}
	switch event.Type {
	case "account.moved":
		return *decode(new(moved)).(*moved)
	case "student.enrolled":
		return *decode(new(enrolled)).(*enrolled)
	case "student.left":
		return *decode(new(left)).(*left)
	default:
		return nil
	}
}

func cloned(accounts map[string]account) map[string]account { return maps.Clone(accounts) }

func conflict(err error) bool { return errors.Is(err, carillon.ErrConflict) }
