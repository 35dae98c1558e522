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

// retries tries parked keys again: those that were parked when the consumer starts, since the program may have been mended, those asked for
// while it runs, and those whose last try came to nothing because something could not be reached.
func (w *worker) retries(ctx context.Context, before []carillon.ParkedKey) {
	keeps, ok := w.engine.store.(carillon.DeadLetterStore)
	if !ok {
		return
	}
	due := make(map[string]bool, len(before))
	for _, key := range before {
		due[key.Key] = true
	}
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		keys, err := keeps.DeadLetters().Keys(ctx, w.name)
		if err != nil && ctx.Err() == nil {
			w.engine.logger.Warn("parked keys not read", slog.String("consumer", w.name), slog.Any("error", err))
		}
		if err := w.unmark(ctx, keeps.DeadLetters()); err != nil && ctx.Err() == nil {
			w.engine.logger.Warn("marks of parked keys not compared", slog.String("consumer", w.name), slog.Any("error", err))
		}
		again := make(map[string]bool)
		for _, key := range keys {
			if key.Retry || due[key.Key] {
				again[key.Key] = w.retryKey(ctx, keeps.DeadLetters(), key.Key)
			}
		}
		if err == nil {
			due = again
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// retryKey handles the letters of a key in order until one fails. again says that the last try was none: nothing is wrong with the message.
func (w *worker) retryKey(ctx context.Context, letters carillon.DeadLetters, key string) (again bool) {
	for ctx.Err() == nil {
		next, err := letters.Letters(ctx, w.name, key, 0, 1)
		if err == nil && len(next) == 0 {
			return false
		}
		again = true
		if err == nil {
			again, err = w.retryLetter(ctx, &next[0])
		}
		if err != nil {
			if ctx.Err() == nil {
				w.engine.logger.Warn("key stays parked", slog.String("consumer", w.name), slog.String("key", key), slog.Any("error", err))
			}
			return again
		}
	}
	return again
}

// parkedBefore lists the keys that are parked when the consumer starts.
func (w *worker) parkedBefore(ctx context.Context) ([]carillon.ParkedKey, error) {
	keeps, ok := w.engine.store.(carillon.DeadLetterStore)
	if !ok {
		return nil, nil
	}
	return keeps.DeadLetters().Keys(ctx, w.name)
}

// retryLetter handles a letter's message and removes the letter, in one transaction. When the handler fails again the letter says so. Like
// any other failure, one because something could not be reached does not count, and again is true. A letter that somebody discards meanwhile
// is no failure: what the handler did in the transaction is undone.
func (w *worker) retryLetter(ctx context.Context, letter *carillon.DeadLetter) (again bool, err error) {
	row, _, err := w.engine.store.ReadModels().Row(ctx, w.ref, messageOf(letter.Position))
	if err != nil {
		return true, err
	}
	m, err := cloudevents.Unmarshal(row.Value)
	if err != nil {
		return false, err
	}
	ctx, end := w.beginRetry(ctx, &m)
	defer func() { end(err) }()
	d := &delivery{Delivery: carillon.Delivery{Message: m}, attempts: letter.Attempts, first: letter.First}
	blamed := false // the message, for the failure
	if w.handles(&m) {
		d.whole, err = w.topic.redeem(ctx, &m)
		blamed = err != nil
	}
	if err == nil && w.isOutside(&m) {
		err = w.command(ctx, d.message())
		blamed = err != nil
	}
	if err == nil {
		err = w.engine.store.ReadModels().Update(ctx, w.ref, carillon.Flushed, func(tx carillon.ReadModelTx) (err error) {
			blamed, err = w.repeat(ctx, tx, d, letter)
			return err
		})
	}
	switch {
	case err == nil, errors.Is(err, errGone):
		return false, nil
	case !blamed, ctx.Err() != nil, errors.Is(err, carillon.ErrUnavailable):
		return true, err
	}
	noted := w.note(ctx, letter, err)
	if errors.Is(noted, errGone) {
		return false, nil
	}
	return noted != nil, errors.Join(err, noted)
}

// repeat handles a letter within a transaction. Two processes may try at once: the inbox lets one through. blamed says that an error is the
// handler's.
func (w *worker) repeat(ctx context.Context, tx carillon.ReadModelTx, d *delivery, letter *carillon.DeadLetter) (blamed bool, err error) {
	first, err := w.receive(tx, []*delivery{d}, []int{0}, 1)
	if err != nil || !first[0] {
		return false, err
	}
	if err := removeLetter(tx, letter.Key, letter.Position); err != nil {
		return false, err
	}
	var out outgoing
	if err := w.invokeAlone(ctx, tx, d.message(), &out); err != nil {
		return true, err
	}
	return false, out.write(ctx, w.engine, tx)
}

// note writes down that a letter failed again, or returns errGone: one that was discarded meanwhile does not come back.
func (w *worker) note(ctx context.Context, letter *carillon.DeadLetter, cause error) error {
	again := *letter
	again.Attempts++
	again.Cause, again.Last = cause.Error(), now()
	return w.engine.store.ReadModels().Update(ctx, w.ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		parking, ok := tx.(carillon.ParkingTx)
		if !ok {
			return nil
		}
		if err := unlessGone(parking.Replace(again)); err != nil {
			return err
		}
		return parking.Tried(letter.Key)
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
