package messaging

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
)

// retryEvery is how often a consumer looks whether somebody asked for another try.
const retryEvery = time.Second

// retries tries parked keys again: those that were parked when the consumer starts, since the program may have been mended, and those
// asked for while it runs.
func (w *worker) retries(ctx context.Context, before []carillon.ParkedKey) {
	keeps, ok := w.engine.store.(carillon.DeadLetterStore)
	if !ok {
		return
	}
	for _, key := range before {
		w.retryKey(ctx, keeps.DeadLetters(), key.Key)
	}
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		keys, err := keeps.DeadLetters().Keys(ctx, w.name)
		if err != nil {
			w.engine.logger.Warn("parked keys not read", slog.String("consumer", w.name), slog.Any("error", err))
		}
		if err := w.unmark(ctx, keeps.DeadLetters()); err != nil && ctx.Err() == nil {
			w.engine.logger.Warn("marks of parked keys not compared", slog.String("consumer", w.name), slog.Any("error", err))
		}
		for _, key := range keys {
			if key.Retry {
				w.retryKey(ctx, keeps.DeadLetters(), key.Key)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// retryKey handles the letters of a key in order until one fails.
func (w *worker) retryKey(ctx context.Context, letters carillon.DeadLetters, key string) {
	for ctx.Err() == nil {
		next, err := letters.Letters(ctx, w.name, key, 0, 1)
		if err == nil && len(next) == 0 {
			return
		}
		if err == nil {
			err = w.retryLetter(ctx, &next[0])
		}
		if err != nil {
			w.engine.logger.Warn("key stays parked", slog.String("consumer", w.name), slog.String("key", key), slog.Any("error", err))
			return
		}
	}
}

// parkedBefore lists the keys that are parked when the consumer starts.
func (w *worker) parkedBefore(ctx context.Context) ([]carillon.ParkedKey, error) {
	keeps, ok := w.engine.store.(carillon.DeadLetterStore)
	if !ok {
		return nil, nil
	}
	return keeps.DeadLetters().Keys(ctx, w.name)
}

// retryLetter handles a letter's message and removes the letter, in one transaction. When it fails again the letter says so.
func (w *worker) retryLetter(ctx context.Context, letter *carillon.DeadLetter) error {
	row, _, err := w.engine.store.ReadModels().Row(ctx, w.ref, messageOf(letter.Position))
	if err != nil {
		return err
	}
	m, err := cloudevents.Unmarshal(row.Value)
	if err != nil {
		return err
	}
	d := &delivery{Delivery: carillon.Delivery{Message: m}, attempts: letter.Attempts, first: letter.First}
	if w.isCommand(&m) {
		err = w.command(ctx, &m)
	}
	if err == nil {
		err = w.engine.store.ReadModels().Update(ctx, w.ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			return w.repeat(ctx, tx, d, letter)
		})
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, w.note(ctx, letter, err))
}

// repeat handles a letter within a transaction. Two processes may try at once: the inbox lets one through.
func (w *worker) repeat(ctx context.Context, tx carillon.ReadModelTx, d *delivery, letter *carillon.DeadLetter) error {
	first, err := w.receive(tx, []*delivery{d}, []int{0}, 1)
	if err != nil || !first[0] {
		return err
	}
	var out outgoing
	if err := w.invoke(ctx, tx, &d.Message, &out); err != nil {
		return err
	}
	return errors.Join(removeLetter(tx, letter.Key, letter.Position), out.write(tx))
}

// note writes down that a letter failed again.
func (w *worker) note(ctx context.Context, letter *carillon.DeadLetter, cause error) error {
	again := *letter
	again.Attempts++
	again.Cause, again.Last = cause.Error(), now()
	return w.engine.store.ReadModels().Update(ctx, w.ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		parking, ok := tx.(carillon.ParkingTx)
		if !ok {
			return nil
		}
		return errors.Join(parking.Park([]carillon.DeadLetter{again}), parking.Tried(letter.Key))
	})
}

// unmark corrects the marks of keys whose letters somebody has discarded, so that their messages are handled again.
func (w *worker) unmark(ctx context.Context, letters carillon.DeadLetters) error {
	models := w.engine.store.ReadModels()
	_, numbered, err := models.Row(ctx, w.ref, parkedRow)
	if errors.Is(err, carillon.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	keys, err := letters.Keys(ctx, w.name)
	if err != nil {
		return err
	}
	left := make(map[string]int64, len(keys))
	for _, key := range keys {
		left[key.Key] = key.Letters
	}
	marks, err := models.Rows(ctx, w.ref, keyRow, 1000)
	for _, row := range marks {
		key, marked := strings.CutPrefix(row.Key, keyRow)
		if err != nil || !marked {
			break
		}
		err = w.correct(ctx, key, int(left[key]), numbered)
	}
	return err
}

// correct sets the mark of a key to the letters it has, unless letters were added since they were counted.
func (w *worker) correct(ctx context.Context, key string, letters int, numbered carillon.Position) error {
	return w.engine.store.ReadModels().Update(ctx, w.ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		at, err := tx.Checkpoint()
		if err != nil || at != numbered {
			return err
		}
		marked, err := lettersOf(tx, key)
		if err != nil || marked <= letters {
			return err
		}
		rows, err := mark(tx, key, letters-marked)
		return errors.Join(err, tx.Put(rows))
	})
}
