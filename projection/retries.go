package projection

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

const (
	// retryLook is how often a consumer looks whether somebody asked for another try of a parked key.
	retryLook = time.Second
	// sqlAttempts is how often an event that a SQL projection could not handle is tried before it waits for somebody to ask: what the
	// database refuses now it may take a moment later. A keyed fold is pure and is tried once.
	sqlAttempts = 5
)

// parked returns the keys of this segment that are parked.
func (r *runner) parked(ctx context.Context) ([]carillon.ParkedKey, error) {
	keys, err := r.parking.port.Keys(ctx, r.name)
	return slices.DeleteFunc(keys, func(key carillon.ParkedKey) bool { return !strings.HasPrefix(key.Key, r.parking.prefix) }), err
}

// parkedBefore returns the keys that are parked before anything is handled; nil when the store does not tell.
func (r *runner) parkedBefore(ctx context.Context) map[string]bool {
	if r.parking.port == nil {
		return nil
	}
	keys, err := r.parked(ctx)
	if err != nil {
		return nil
	}
	return keySet(keys)
}

func keySet(keys []carillon.ParkedKey) map[string]bool {
	set := make(map[string]bool, len(keys))
	for _, key := range keys {
		set[key.Key] = true
	}
	return set
}

// retries tries parked keys again: all that were parked when the process started, since a deploy may have mended what they failed of, or that
// another process has parked in a rebuild, and then those that somebody asks for, and those whose first letter somebody has discarded. untried
// are the former, nil while they are not known.
func (r *runner) retries(ctx context.Context, untried map[string]bool) {
	if r.parking.port == nil {
		return
	}
	look := time.NewTicker(retryLook)
	defer look.Stop()
	before := make(map[string]carillon.Position) // the keys that were parked at the last look, and their first letters
	for {
		keys, err := r.parked(ctx)
		if untried == nil && err == nil {
			untried = keySet(keys)
		}
		for _, key := range keys {
			moved := before[key.Key] != key.First
			delete(before, key.Key)
			if moved && r.foreign(key.Key) {
				untried[key.Key] = true
			}
			if !untried[key.Key] && !key.Retry && !r.due(ctx, key.Key, moved) {
				continue
			}
			failed := r.retry(ctx, key.Key)
			if failed == nil {
				delete(untried, key.Key)
			}
			if errors.Is(failed, errMoved) {
				r.again()
				return
			}
			err = errors.Join(err, failed) // the store's: what a handler fails of is parked again
		}
		for key := range before { // somebody has discarded the last of its letters: it is released
			if err == nil {
				err = r.retry(ctx, key)
			}
		}
		clear(before)
		for _, key := range keys {
			before[key.Key] = key.First
		}
		if err != nil && ctx.Err() == nil {
			r.engine.logger.Error("parked events not tried", slog.String("projection", r.name), slog.Any("error", err))
		}
		select {
		case <-look.C:
		case <-r.nudge:
		case <-ctx.Done():
			return
		}
	}
}

// due reports whether a key is tried again without being asked for. moved says that its first letter was not the first at the last look.
func (r *runner) due(ctx context.Context, key string, moved bool) bool {
	_, again := r.work.(*sqlWorker)
	if !again && !moved {
		return false
	}
	letters, err := r.parking.port.Letters(ctx, r.name, key, 0, 1)
	if err != nil || len(letters) == 0 {
		return false
	}
	if letters[0].Attempts == 0 { // the one it waited behind was discarded
		return true
	}
	if !again || letters[0].Attempts >= sqlAttempts {
		return false
	}
	return time.Since(letters[0].Last) >= firstPause<<letters[0].Attempts
}

// foreign reports whether another process has parked a key of a read model, by the folds of its own version.
func (r *runner) foreign(key string) bool {
	w, ok := r.work.(interface{ knows(key string) bool })
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return !w.knows(key)
}

// retry tries one key, between batches of the projection.
func (r *runner) retry(ctx context.Context, key string) error {
	if _, ok := r.work.(*reactorWorker); !ok {
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	return r.work.retry(ctx, key, r.at)
}

// Retry asks for another try of a parked key of a projection or reactor, in whatever process it runs: its events are handled in order until
// one fails. Errors: [carillon.ErrNotFound] for a name or key that is not there, [carillon.ErrUnsupported] on a store that parks
// nothing.
func (e *Engine) Retry(ctx context.Context, name, key string) error {
	runners, err := e.find(name)
	if err != nil {
		return err
	}
	store, ok := e.store.(carillon.DeadLetterStore)
	if !ok {
		return carillon.ErrUnsupported
	}
	if err := store.DeadLetters().Retry(ctx, name, key); err != nil {
		return err
	}
	for _, r := range runners {
		select {
		case r.nudge <- struct{}{}:
		default:
		}
	}
	return nil
}
