package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
)

// The reasons why a projection does not run although nothing is wrong with it.
var (
	// errReshaped: the folds have changed since the rows were made; they are made anew.
	errReshaped = errors.New("the folds have changed since the rows were made")
	// errOutdated: a newer version of the program has made the rows.
	errOutdated = errors.New("a newer version of the program keeps this read model")
)

// outdatedLook is how often a projection that does not run looks whether it may.
const outdatedLook = time.Second

// fingerprinted is a worker whose rows depend on folds.
type fingerprinted interface{ fingerprint() string }

func (w *keyedWorker[S]) fingerprint() string {
	w.model.once.Do(func() { w.model.shape = w.model.Fingerprint() })
	return w.model.shape
}

// agree holds the definition against what the store remembers. The first to run writes it down.
func (r *runner) agree(ctx context.Context) error {
	models := r.engine.store.ReadModels()
	s, known, err := loadSettings(ctx, models, r.name)
	if err != nil {
		return err
	}
	if known && s.Segments != r.part.of {
		return fmt.Errorf("its checkpoints are split into %d segments, the program says %d: rebuild it, or say %d again: %w",
			s.Segments, r.part.of, s.Segments, carillon.ErrConflict)
	}
	shape := ""
	if w, ok := r.work.(fingerprinted); ok {
		shape = w.fingerprint()
	}
	switch {
	case known && s.shape() == shape, shape == "" && known:
		return nil
	case known && len(s.Shapes) > 0 && slices.Contains(s.Shapes, shape):
		return errOutdated
	case known && len(s.Shapes) > 0:
		return errReshaped
	}
	return changeSettings(ctx, models, r.name, func(s *settings) {
		s.Segments = r.part.of
		if shape != "" {
			s.remember(shape)
		}
	})
}

// reshape makes a read model anew whose folds have changed. The first segment does it for all; others wait.
func (r *runner) reshape(ctx context.Context) error {
	if r.part.index != 0 {
		rest(ctx, outdatedLook)
		return nil
	}
	r.engine.logger.Info("the folds have changed, the read model is made anew", slog.String("projection", r.name))
	return r.rebuild(ctx, rebuilding{})
}
