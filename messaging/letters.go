package messaging

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cloudevents"
	"github.com/carillon-go/carillon/consume"
)

// A letter of a consumer has a number in place of a position: the consumer's checkpoint counts them. Its message stands in a row beside
// it, and so do the names of the parked keys, for every transaction to see.

// park parks a message that has failed for good. One that was parked or handled meanwhile is passed over.
func (w *worker) park(ctx context.Context, d *delivery, cause error) error {
	letter := carillon.DeadLetter{
		Consumer: w.name, Key: parkingKey(&d.Message), Attempts: d.attempts, Cause: cause.Error(), First: d.first, Last: now(),
	}
	if panicked, ok := errors.AsType[*consume.PanicError](cause); ok {
		letter.Stack = panicked.Stack
	}
	return w.engine.store.ReadModels().Update(ctx, w.ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		first, err := w.receive(tx, []*delivery{d}, []int{0}, 0)
		if err != nil || !first[0] {
			return err
		}
		return writeLetter(tx, letter, &d.Message)
	})
}

// parkBehind parks messages whose keys are parked.
func (w *worker) parkBehind(tx carillon.ReadModelTx, batch []*delivery, behind []int) error {
	for _, i := range behind {
		m := &batch[i].Message
		letter := carillon.DeadLetter{Consumer: w.name, Key: m.Key, Cause: consume.ErrBehind.Error()}
		if err := writeLetter(tx, letter, m); err != nil {
			return err
		}
	}
	return nil
}

// parkingKey is the key a message is parked under. One without a key is parked by itself.
func parkingKey(m *carillon.Message) string {
	if m.Key == "" {
		return "message " + m.ID
	}
	return m.Key
}

// writeLetter adds a letter with its message and marks its key.
func writeLetter(tx carillon.ReadModelTx, letter carillon.DeadLetter, m *carillon.Message) error {
	parking, ok := tx.(carillon.ParkingTx)
	if !ok {
		return fmt.Errorf("the store parks nothing: %w", carillon.ErrUnsupported)
	}
	number, err := tx.Checkpoint()
	if err != nil {
		return err
	}
	letter.Position = number + 1
	encoded, err := cloudevents.Marshal(m)
	if err != nil { // a payload that is not what it says
		plain := *m
		plain.ContentType = "application/octet-stream"
		if encoded, err = cloudevents.Marshal(&plain); err != nil {
			return err
		}
	}
	rows, err := mark(tx, letter.Key, 1)
	if err != nil {
		return err
	}
	rows = append(rows, carillon.Row{Key: messageOf(letter.Position), Value: encoded})
	return errors.Join(parking.Park([]carillon.DeadLetter{letter}), tx.Put(rows), tx.Advance(letter.Position))
}

// mark returns the rows that say how many letters a key has, and how many keys have any, when so many letters come or go.
func mark(tx carillon.ReadModelTx, key string, change int) ([]carillon.Row, error) {
	letters, err := lettersOf(tx, key)
	if err != nil {
		return nil, err
	}
	rows := []carillon.Row{countRow(keyRow+key, letters+change)}
	if (letters > 0) == (letters+change > 0) {
		return rows, nil
	}
	keys, err := parkedKeys(tx)
	return append(rows, countRow(parkedRow, keys+change/max(change, -change))), err
}

func messageOf(number carillon.Position) string { return fmt.Sprintf("%s%d", messageRow, number) }

// countRow holds a number, or nothing for 0.
func countRow(key string, count int) carillon.Row {
	row := carillon.Row{Key: key}
	if count > 0 {
		row.Value = []byte(strconv.Itoa(count))
	}
	return row
}

// errGone: a letter was discarded, or handled by another process, while it was tried.
var errGone = errors.New("the letter is gone")

// removeLetter removes a letter with its message, or returns errGone.
func removeLetter(tx carillon.ReadModelTx, key string, number carillon.Position) error {
	parking, ok := tx.(carillon.ParkingTx)
	if !ok {
		return fmt.Errorf("the store parks nothing: %w", carillon.ErrUnsupported)
	}
	if err := unlessGone(parking.Unpark(key, number)); err != nil {
		return err
	}
	rows, err := mark(tx, key, -1)
	if err != nil {
		return err
	}
	return tx.Put(append(rows, carillon.Row{Key: messageOf(number)}))
}

func unlessGone(err error) error {
	if errors.Is(err, carillon.ErrNotFound) {
		return errGone
	}
	return err
}

// parkedOf reports which keys of some deliveries are parked.
func (w *worker) parkedOf(ctx context.Context, batch []*delivery, chosen []int) (map[string]bool, error) {
	models := w.engine.store.ReadModels()
	if _, _, err := models.Row(ctx, w.ref, parkedRow); errors.Is(err, carillon.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	parked := make(map[string]bool)
	for _, i := range chosen {
		key := batch[i].Message.Key
		_, _, err := models.Row(ctx, w.ref, keyRow+key)
		if err != nil && !errors.Is(err, carillon.ErrNotFound) {
			return nil, err
		}
		parked[key] = err == nil
	}
	return parked, nil
}
