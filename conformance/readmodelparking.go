package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

func parkingChecks() []check {
	return []check{
		{"parked letters", checkParkedLetters},
		{"parking rolled back", checkParkingRolledBack},
		{"letter texts", checkLetterTexts},
	}
}

// parks says why the store cannot park, if it cannot.
func (s *subject) parks() error {
	if _, ok := s.store.(carillon.DeadLetterStore); !ok {
		return skip("the store is no carillon.DeadLetterStore")
	}
	return nil
}

func (s *subject) letters() carillon.DeadLetters {
	return s.store.(carillon.DeadLetterStore).DeadLetters()
}

// letter is a dead letter of the consumer that is named as [model].
func letter(key string, position carillon.Position, cause string) carillon.DeadLetter {
	at := time.Date(2026, 11, 21, 20, 15, 0, 123456000, time.UTC).Add(time.Duration(position) * time.Second)
	return carillon.DeadLetter{
		Consumer: model().Name, Key: key, Position: position, Attempts: int(position) + 1, Cause: cause, Stack: "stack of " + cause,
		First: at, Last: at.Add(time.Hour),
	}
}

// parking runs fn with the parking side of a consumer's transaction.
func (s *subject) parking(ctx context.Context, consumer string, fn func(tx carillon.ParkingTx) error) error {
	return s.parkingIn(ctx, carillon.ModelRef{Name: consumer}, fn)
}

// parkingIn runs fn with the parking side of the transaction of a model or shadow.
func (s *subject) parkingIn(ctx context.Context, ref carillon.ModelRef, fn func(tx carillon.ParkingTx) error) error {
	return s.update(ctx, ref, func(tx carillon.ReadModelTx) error {
		parking, ok := tx.(carillon.ParkingTx)
		if !ok {
			return errors.New("the store is a carillon.DeadLetterStore, and its transactions are no carillon.ParkingTx")
		}
		return fn(parking)
	})
}

// park parks letters of one consumer.
func (s *subject) park(ctx context.Context, letters ...carillon.DeadLetter) error {
	if err := s.parking(ctx, letters[0].Consumer, func(tx carillon.ParkingTx) error { return tx.Park(letters) }); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	return nil
}

// parked demands exactly these letters of a key, read in pages.
func (s *subject) parked(ctx context.Context, key string, want ...carillon.DeadLetter) error {
	return s.parkedFor(ctx, model().Name, key, want...)
}

func (s *subject) parkedFor(ctx context.Context, consumer, key string, want ...carillon.DeadLetter) error {
	for _, limit := range []int{1, 2, len(want) + 1} {
		var got []carillon.DeadLetter
		after := carillon.Position(0)
		for {
			page, err := s.letters().Letters(ctx, consumer, key, after, limit)
			if err != nil {
				return fmt.Errorf("letters of key %q after %d: %w", key, after, err)
			}
			if len(page) == 0 {
				break
			}
			if len(page) > limit || page[0].Position <= after {
				return fmt.Errorf("letters of key %q after %d, at most %d: %s", key, after, limit, describeLetters(page))
			}
			got, after = append(got, page...), page[len(page)-1].Position
		}
		if !slices.EqualFunc(got, want, sameLetter) {
			return fmt.Errorf("letters of %q, key %q in pages of %d: %s, want %s", consumer, key, limit, describeLetters(got), describeLetters(want))
		}
	}
	return nil
}

func sameLetter(got, want carillon.DeadLetter) bool {
	same := got.First.Equal(want.First) && got.Last.Equal(want.Last) && got.First.Location() == time.UTC && got.Last.Location() == time.UTC
	got.First, got.Last, want.First, want.Last = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return same && got == want
}

func describeLetters(letters []carillon.DeadLetter) string {
	texts := make([]string, len(letters))
	for i, l := range letters {
		texts[i] = fmt.Sprintf("%q of %q at %d, tried %d times from %v to %v: %q, %q", l.Key, l.Consumer, l.Position, l.Attempts, l.First, l.Last, l.Cause, l.Stack)
	}
	return clip("[" + strings.Join(texts, "; ") + "]")
}

func describeParked(keys []carillon.ParkedKey) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = fmt.Sprintf("%q with %d letters from %d, retry %t", k.Key, k.Letters, k.First, k.Retry)
	}
	return clip("[" + strings.Join(texts, "; ") + "]")
}

// keys demands exactly these parked keys of a consumer.
func (s *subject) keys(ctx context.Context, consumer string, want ...carillon.ParkedKey) error {
	got, err := s.letters().Keys(ctx, consumer)
	if err != nil {
		return fmt.Errorf("parked keys of %q: %w", consumer, err)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("parked keys of %q: %s, want %s", consumer, describeParked(got), describeParked(want))
	}
	return nil
}

// checkParkedLetters parks letters, replaces them, and parks those of another consumer and of another key.
func checkParkedLetters(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	if err := errors.Join(s.keys(ctx, "orders"), s.parked(ctx, "k")); err != nil {
		return fmt.Errorf("a new store: %w", err)
	}
	waiting := carillon.DeadLetter{Consumer: "orders", Key: "k", Position: 30}
	if err := s.park(ctx, letter("k", 200, "third"), letter("k", 7, "first"), waiting); err != nil {
		return err
	}
	if err := s.parked(ctx, "k", letter("k", 7, "first"), waiting, letter("k", 200, "third")); err != nil {
		return err
	}
	again := letter("k", 7, "first again")
	again.Attempts, again.Last = 50, again.Last.Add(time.Hour)
	failed := letter("k", 30, "it failed")
	if err := s.park(ctx, again, failed, letter("k", 31, "new")); err != nil {
		return err
	}
	if err := s.park(ctx, waiting); err != nil { // and waits again
		return err
	}
	want := []carillon.DeadLetter{again, waiting, letter("k", 31, "new"), letter("k", 200, "third")}
	if err := s.parked(ctx, "k", want...); err != nil {
		return fmt.Errorf("after letters were replaced: %w", err)
	}
	other := letter("k", 7, "another's")
	other.Consumer = "Orders"
	if err := errors.Join(s.park(ctx, other), s.park(ctx, letter("K", 8, "another key's"))); err != nil {
		return err
	}
	err := errors.Join(
		s.parked(ctx, "k", want...),
		s.parkedFor(ctx, "Orders", "k", other),
		s.parked(ctx, "K", letter("K", 8, "another key's")),
		s.parked(ctx, "nobody's"),
		s.keys(ctx, "orders", carillon.ParkedKey{Key: "K", Letters: 1, First: 8}, carillon.ParkedKey{Key: "k", Letters: 4, First: 7}),
		s.keys(ctx, "Orders", carillon.ParkedKey{Key: "k", Letters: 1, First: 7}),
		s.keys(ctx, "nobody"),
	)
	if err != nil {
		return fmt.Errorf("letters belong to a consumer and a key: %w", err)
	}
	if err := s.parking(ctx, "orders", func(tx carillon.ParkingTx) error { return tx.Park(nil) }); err != nil {
		return fmt.Errorf("park nothing: %w", err)
	}
	return nil
}

// checkParkingRolledBack parks, unparks and tries in transactions that fail: nothing of it took place.
func checkParkingRolledBack(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	if err := s.park(ctx, letter("k", 7, "kept"), letter("k", 8, "kept")); err != nil {
		return err
	}
	if err := s.letters().Retry(ctx, "orders", "k"); err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	for name, work := range map[string]func(tx carillon.ParkingTx) error{
		"park":    func(tx carillon.ParkingTx) error { return tx.Park([]carillon.DeadLetter{letter("new", 9, "lost")}) },
		"replace": func(tx carillon.ParkingTx) error { return tx.Park([]carillon.DeadLetter{letter("k", 7, "lost")}) },
		"unpark":  func(tx carillon.ParkingTx) error { return errors.Join(tx.Unpark("k", 7), tx.Unpark("k", 8)) },
		"tried":   func(tx carillon.ParkingTx) error { return tx.Tried("k") },
	} {
		err := s.parking(ctx, "orders", func(tx carillon.ParkingTx) error {
			return errors.Join(work(tx), tx.(carillon.ReadModelTx).Advance(99), errGivenUp)
		})
		if !errors.Is(err, errGivenUp) {
			return fmt.Errorf("%s in a transaction whose fn failed: error %w, want fn's", name, errOrNil(err))
		}
		err = panicking(func() error {
			return s.parking(ctx, "orders", func(tx carillon.ParkingTx) error {
				if err := work(tx); err != nil {
					return err
				}
				panic(errGivenUp)
			})
		})
		if err == nil {
			return fmt.Errorf("%s in a transaction whose fn panicked succeeded", name)
		}
		err = errors.Join(
			s.parked(ctx, "k", letter("k", 7, "kept"), letter("k", 8, "kept")),
			s.keys(ctx, "orders", carillon.ParkedKey{Key: "k", Letters: 2, First: 7, Retry: true}),
			s.lists(ctx, carillon.ModelInfo{Name: "orders", Shadow: -1}),
		)
		if err != nil {
			return fmt.Errorf("something is left of a %s that was rolled back: %w", name, err)
		}
	}
	return nil
}

// checkLetterTexts parks letters whose texts no database need like. Of a cause that is no text what is one survives.
func checkLetterTexts(ctx context.Context, s *subject) error {
	if err := s.parks(); err != nil {
		return err
	}
	position := carillon.Position(0)
	for _, key := range oddKeys() {
		position++
		if err := errors.Join(s.park(ctx, letter(key, position, "odd key")), s.parked(ctx, key, letter(key, position, "odd key"))); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
	}
	found, err := s.letters().Keys(ctx, "orders")
	if err != nil || len(found) != len(oddKeys()) {
		return fmt.Errorf("%d keys, error %w, want %d", len(found), errOrNil(err), len(oddKeys()))
	}
	if !slices.IsSortedFunc(found, func(a, b carillon.ParkedKey) int { return strings.Compare(a.Key, b.Key) }) {
		return fmt.Errorf("parked keys %s are not in order of key", describeParked(found))
	}
	texts := []string{"ü 日本 🔔", strings.Repeat("long ", 20_000), "'; --", "%s"}
	for i, text := range append(texts, "no text \x00 at all", "no text \xff\xfe at all", "\x00", "no text at all: \xe2\x82") {
		position++
		parked := letter("k", position, text)
		if err := s.park(ctx, parked); err != nil {
			return fmt.Errorf("cause %s: %w", clip(fmt.Sprintf("%q", text)), err)
		}
		got, err := s.letters().Letters(ctx, "orders", "k", position-1, 1)
		if err != nil || len(got) != 1 {
			return fmt.Errorf("letters with cause %s: %s, error %w", clip(fmt.Sprintf("%q", text)), describeLetters(got), errOrNil(err))
		}
		if i < len(texts) && !sameLetter(got[0], parked) || strings.HasPrefix(text, "no text") && !strings.HasPrefix(got[0].Cause, "no text") {
			return fmt.Errorf("cause %s is read as %s", clip(fmt.Sprintf("%q", text)), clip(fmt.Sprintf("%q", got[0].Cause)))
		}
	}
	return nil
}
