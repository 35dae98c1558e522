package projection_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/projection"
)

// TestALetterDiscardedWhileItIsTried is discarded by an operator while its reactor tries it: whether the try succeeds or fails, the letter
// does not come back, and the next one is tried.
func TestALetterDiscardedWhileItIsTried(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"the try fails": true, "the try succeeds": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := memory.Volatile()
				var discarding, mended atomic.Bool
				var handled []int
				reactor := projection.React("dispatch", projection.FromBeginning(), projection.Handle("order.placed",
					func(ctx context.Context, at carillon.Recorded, e ordered) error {
						if e.Number == 1 && discarding.Load() {
							if err := store.DeadLetters().Discard(ctx, "dispatch", at.Key, at.Position); err != nil {
								t.Error(err)
							}
						}
						if e.Number == 1 && (fails || !mended.Load()) {
							return errBroken
						}
						handled = append(handled, e.Number)
						return nil
					}))
				house, stop := openDepot(t, reactor, store, store)
				house.place(t, "a")
				house.place(t, "a")
				<-time.After(time.Minute)
				if letters, err := store.DeadLetters().Letters(t.Context(), "dispatch", "a", 0, 10); err != nil || len(letters) != 2 {
					t.Fatalf("%d letters are parked, %v", len(letters), err)
				}
				discarding.Store(true)
				mended.Store(true)
				if err := store.DeadLetters().Retry(t.Context(), "dispatch", "a"); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				stop()
				want := []int{2}
				if !fails {
					want = []int{1, 2}
				}
				if keys, err := store.DeadLetters().Keys(t.Context(), "dispatch"); err != nil || len(keys) > 0 {
					t.Errorf("keys %v are parked, %v", keys, err)
				}
				if !slices.Equal(handled, want) {
					t.Errorf("%v are handled, want %v", handled, want)
				}
			})
		})
	}
}

// TestALetterDiscardedBeforeItsRetryCommits is discarded after a fold was tried and before that is committed: an event that was discarded
// is neither in the row nor parked.
func TestALetterDiscardedBeforeItsRetryCommits(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"the fold still fails": true, "the fold is mended": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				house := parkedSums(t, 4)
				letters, err := house.store.DeadLetters().Letters(t.Context(), "sums", "a", 0, 10)
				if err != nil || len(letters) != 2 {
					t.Fatalf("%d letters are parked, %v", len(letters), err)
				}
				store := &interrupted{Store: house.store, before: func(ref carillon.ModelRef) error {
					if ref.Name != "sums" {
						return nil
					}
					err := house.store.DeadLetters().Discard(t.Context(), "sums", "a", letters[0].Position)
					if errors.Is(err, carillon.ErrConflict) || errors.Is(err, carillon.ErrNotFound) { // it is discarded
						err = nil
					}
					return err
				}}
				_, stop := openDepot(t, sums(fails), house.store, store)
				<-time.After(time.Minute)
				stop()
				folded, parked := house.accounted(t, "a")
				if !slices.Equal(folded, []int{1, 2, 4}) || len(parked) > 0 {
					t.Errorf("%v are folded and %v parked, want all but 3 folded", folded, parked)
				}
			})
		})
	}
}

// interrupted is a store in which something happens before each update.
type interrupted struct {
	*memory.Store
	before func(ref carillon.ModelRef) error
}

func (s *interrupted) ReadModels() carillon.ReadModels {
	return interruptedModels{s.Store.ReadModels(), s}
}

type interruptedModels struct {
	carillon.ReadModels
	store *interrupted
}

func (m interruptedModels) Update(
	ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error,
) error {
	if err := m.store.before(ref); err != nil {
		return err
	}
	return m.ReadModels.Update(ctx, ref, durability, fn)
}

// slow is a store that takes longer each time to say what is parked, by an hour.
type slow struct {
	*memory.Store
	asked atomic.Int64
}

func (s *slow) DeadLetters() carillon.DeadLetters { return slowLetters{s.Store.DeadLetters(), s} }

type slowLetters struct {
	carillon.DeadLetters
	store *slow
}

func (l slowLetters) Keys(ctx context.Context, consumer string) ([]carillon.ParkedKey, error) {
	<-time.After(time.Duration(l.store.asked.Add(1)) * time.Hour)
	return l.DeadLetters.Keys(ctx, consumer)
}

// TestWhatIsParkedAfterTheStartIsNotTriedAgain although the store is slow to say what was parked at the start.
func TestWhatIsParkedAfterTheStartIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatch(0, func(string, int) bool { return true })
		store := memory.Volatile()
		house, stop := openDepot(t, d.reactor(), store, &slow{Store: store})
		defer stop()
		house.place(t, "a")
		<-time.After(24 * time.Hour)
		letters, err := store.DeadLetters().Letters(t.Context(), "dispatch", "a", 0, 10)
		if err != nil || len(letters) != 1 {
			t.Fatalf("letters %+v, error %v", letters, err)
		}
		if took := letters[0].Last.Sub(letters[0].First); took >= 30*time.Minute {
			t.Errorf("it was tried %v after it had failed: %d times", took, letters[0].Attempts)
		}
	})
}
