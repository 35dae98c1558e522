package projection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/carillon-go/carillon"
)

// settingsModel is the read model whose rows hold what a store remembers of its projections beside their rows and checkpoints.
const settingsModel = "carillon.projections"

// settings is what a store remembers of a projection.
type settings struct {
	// Segments is into how many parts its checkpoints are split.
	Segments int `json:"segments"`
	// Shapes are the fingerprints of the folds that made the rows, the present one last.
	Shapes []string `json:"shapes,omitempty"`
	// Paused says that it is not to run.
	Paused bool `json:"paused,omitempty"`
}

func (s *settings) shape() string {
	if len(s.Shapes) == 0 {
		return ""
	}
	return s.Shapes[len(s.Shapes)-1]
}

// maxShapes is how many fingerprints are remembered.
const maxShapes = 50

// remember makes a fingerprint the present one.
func (s *settings) remember(shape string) {
	s.Shapes = append(slices.DeleteFunc(s.Shapes, func(old string) bool { return old == shape }), shape)
	if len(s.Shapes) > maxShapes {
		s.Shapes = s.Shapes[len(s.Shapes)-maxShapes:]
	}
}

// loadSettings returns what the store remembers of a projection; known is false when that is nothing.
func loadSettings(ctx context.Context, models carillon.ReadModels, name string) (s settings, known bool, err error) {
	row, _, err := models.Row(ctx, carillon.ModelRef{Name: settingsModel}, name)
	if errors.Is(err, carillon.ErrNotFound) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(row.Value, &s)
	}
	return s, err == nil, err
}

// changeSettings changes what the store remembers of a projection, in a transaction of its own.
func changeSettings(ctx context.Context, models carillon.ReadModels, name string, change func(*settings)) error {
	return models.Update(ctx, carillon.ModelRef{Name: settingsModel}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		var s settings
		row, err := tx.Row(name)
		if err == nil {
			err = json.Unmarshal(row.Value, &s)
		}
		if err != nil && !errors.Is(err, carillon.ErrNotFound) {
			return err
		}
		change(&s)
		value, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return tx.Put([]carillon.Row{{Key: name, Value: value}})
	})
}

// Pause keeps a projection or reactor still, in whatever process it runs, until [Engine.Resume]; it stays so when programs restart. It
// stops within two seconds, between two events. What it has read model rows for is served as it stands.
func (e *Engine) Pause(ctx context.Context, name string) error { return e.setPaused(ctx, name, true) }

// Resume lets a paused projection or reactor go on.
func (e *Engine) Resume(ctx context.Context, name string) error { return e.setPaused(ctx, name, false) }

func (e *Engine) setPaused(ctx context.Context, name string, paused bool) error {
	runners, err := e.find(name)
	if err != nil {
		return err
	}
	return changeSettings(ctx, e.store.ReadModels(), name, func(s *settings) {
		s.Paused = paused
		if s.Segments == 0 {
			s.Segments = len(runners)
		}
	})
}

// readSettings takes note of which projections are paused.
func (e *Engine) readSettings(ctx context.Context, runners []*runner) error {
	var s settings
	for i, r := range runners {
		if i == 0 || runners[i-1].name != r.name { // its segments follow one another
			var err error
			if s, _, err = loadSettings(ctx, e.store.ReadModels(), r.name); err != nil {
				return fmt.Errorf("settings of projection %q: %w", r.name, err)
			}
		}
		r.setPaused(s.Paused)
	}
	return nil
}
