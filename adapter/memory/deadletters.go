package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carillon-go/carillon"
)

// parked are the dead letters of all consumers and shadows.
type parked struct {
	letters map[parkedKey][]carillon.DeadLetter // in order of position; a key without letters is not there
	retries map[parkedKey]bool
}

type parkedKey struct {
	consumer, key string
	shadow        bool
}

// letterPlace is where a letter stands.
type letterPlace struct {
	parkedKey

	position carillon.Position
}

func newParked() parked {
	return parked{letters: make(map[parkedKey][]carillon.DeadLetter), retries: make(map[parkedKey]bool)}
}

// place returns the index of a letter, or the one it would have.
func (p parked) place(k parkedKey, position carillon.Position) (int, bool) {
	return slices.BinarySearchFunc(p.letters[k], position, func(letter carillon.DeadLetter, position carillon.Position) int {
		return cmp.Compare(letter.Position, position)
	})
}

func (p parked) put(letter carillon.DeadLetter, shadow bool) {
	k := parkedKey{letter.Consumer, letter.Key, shadow}
	letter.First, letter.Last = letter.First.UTC(), letter.Last.UTC()
	i, found := p.place(k, letter.Position)
	if found {
		p.letters[k][i] = letter
		return
	}
	p.letters[k] = slices.Insert(p.letters[k], i, letter)
}

// remove removes a letter. With the last of a key goes what was asked for the key.
func (p parked) remove(k parkedKey, position carillon.Position) {
	if i, found := p.place(k, position); found {
		p.letters[k] = slices.Delete(p.letters[k], i, i+1)
	}
	if len(p.letters[k]) == 0 {
		delete(p.letters, k)
		delete(p.retries, k)
	}
}

// drop removes the letters of a consumer or shadow, and what was asked for them.
func (p parked) drop(consumer string, shadow bool) {
	for k := range p.letters {
		if k.consumer == consumer && k.shadow == shadow {
			delete(p.letters, k)
			delete(p.retries, k)
		}
	}
}

// replace makes the letters of a shadow those of the consumer.
func (p parked) replace(consumer string) {
	p.drop(consumer, false)
	for k, letters := range p.letters {
		if k.consumer == consumer && k.shadow {
			delete(p.letters, k)
			p.letters[parkedKey{consumer: consumer, key: k.key}] = letters
		}
	}
}

// first returns the first letter of a key, or [carillon.ErrNotFound].
func (p parked) first(k parkedKey) (carillon.DeadLetter, error) {
	if letters := p.letters[k]; len(letters) > 0 {
		return letters[0], nil
	}
	return carillon.DeadLetter{}, fmt.Errorf("key %q of %q is not parked: %w", k.key, k.consumer, carillon.ErrNotFound)
}

// Park adds letters, or replaces them.
func (u *update) Park(letters []carillon.DeadLetter) error {
	letters = slices.Clone(letters)
	for i := range letters {
		u.note(letterPlace{parkedKey{letters[i].Consumer, letters[i].Key, u.ref.Shadow}, letters[i].Position}, true)
	}
	u.parking = append(u.parking, func(p parked) {
		for _, letter := range letters {
			p.put(letter, u.ref.Shadow)
		}
	})
	return nil
}

// Replace replaces a letter.
func (u *update) Replace(letter carillon.DeadLetter) error {
	if err := u.there(letterPlace{parkedKey{letter.Consumer, letter.Key, u.ref.Shadow}, letter.Position}); err != nil {
		return err
	}
	return u.Park([]carillon.DeadLetter{letter})
}

// there returns [carillon.ErrNotFound] unless a letter is there as this transaction sees it.
func (u *update) there(at letterPlace) error {
	there, ok := u.letters[at]
	if !ok && !u.dropped {
		_, there = u.models.parked.place(at.parkedKey, at.position)
	}
	if !there {
		return fmt.Errorf("letter of key %q at position %d: %w", at.key, at.position, carillon.ErrNotFound)
	}
	return nil
}

// Unpark removes a letter.
func (u *update) Unpark(key string, position carillon.Position) error {
	at := letterPlace{parkedKey{u.ref.Name, key, u.ref.Shadow}, position}
	if err := u.there(at); err != nil {
		return err
	}
	u.note(at, false)
	u.parking = append(u.parking, func(p parked) { p.remove(at.parkedKey, position) })
	return nil
}

// note takes down whether a letter is there for the rest of the transaction.
func (u *update) note(at letterPlace, there bool) {
	if u.letters == nil {
		u.letters = make(map[letterPlace]bool)
	}
	u.letters[at] = there
}

// Tried forgets that somebody asked for another try.
func (u *update) Tried(key string) error {
	u.parking = append(u.parking, func(p parked) { delete(p.retries, parkedKey{u.ref.Name, key, u.ref.Shadow}) })
	return nil
}

// deadLetters are the parked events of a store, under the lock of its read models.
type deadLetters readModels

func (d *deadLetters) Keys(ctx context.Context, consumer string) ([]carillon.ParkedKey, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if err := usable(ctx, d.closed); err != nil {
		return nil, err
	}
	var keys []carillon.ParkedKey
	for k, letters := range d.parked.letters {
		if k.consumer == consumer && !k.shadow {
			keys = append(keys, carillon.ParkedKey{
				Key: k.key, Letters: int64(len(letters)), First: letters[0].Position, Retry: d.parked.retries[k],
			})
		}
	}
	slices.SortFunc(keys, func(a, b carillon.ParkedKey) int { return strings.Compare(a.Key, b.Key) })
	return keys, nil
}

func (d *deadLetters) Letters(ctx context.Context, consumer, key string, after carillon.Position, limit int) ([]carillon.DeadLetter, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if err := usable(ctx, d.closed); err != nil {
		return nil, err
	}
	k := parkedKey{consumer: consumer, key: key}
	from, _ := d.parked.place(k, after+1)
	rest := d.parked.letters[k][from:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (d *deadLetters) Retry(ctx context.Context, consumer, key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := usable(ctx, d.closed); err != nil {
		return err
	}
	k := parkedKey{consumer: consumer, key: key}
	if _, err := d.parked.first(k); err != nil {
		return err
	}
	d.parked.retries[k] = true
	return nil
}

func (d *deadLetters) Discard(ctx context.Context, consumer, key string, position carillon.Position) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := usable(ctx, d.closed); err != nil {
		return err
	}
	k := parkedKey{consumer: consumer, key: key}
	first, err := d.parked.first(k)
	if err != nil {
		return err
	}
	if first.Position != position {
		return fmt.Errorf("the first letter of key %q stands at position %d, not at %d: %w", key, first.Position, position, carillon.ErrConflict)
	}
	d.parked.remove(k, position)
	return nil
}
