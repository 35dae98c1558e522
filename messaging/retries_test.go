package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/messaging"
)

// shipping is a consumer that fails as a test says, and what it has handled.
type shipping struct {
	book
	failure atomic.Pointer[error]
	calls   atomic.Int64
}

func (s *shipping) fail(err error) { s.failure.Store(&err) }

func (s *shipping) consumer(topic *messaging.Topic) *messaging.Consumer {
	return messaging.Consume("shipping", topic, messaging.On(func(_ context.Context, _ *messaging.Tx, p placed) error {
		s.calls.Add(1)
		if failure := s.failure.Load(); p.Order == "bad" && *failure != nil {
			return *failure
		}
		s.note(p.Order, p.Number)
		return nil
	}))
}

// letters are those of the key "bad".
func letters(t *testing.T, store *memory.Store) []carillon.DeadLetter {
	t.Helper()
	letters, err := store.DeadLetters().Letters(t.Context(), "shipping", "bad", 0, 100)
	must(t, err)
	return letters
}

// TestTriesOfWhatCannotBeReachedDoNotCount parks messages, and has a downstream be away when somebody asks for another try, or when the
// program starts again: the letters stay as they are, and are handled in order when it is back.
func TestTriesOfWhatCannotBeReachedDoNotCount(t *testing.T) {
	t.Parallel()
	for name, restarts := range map[string]bool{"asked for": false, "after another start": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, orders := memory.Volatile(), ordersTopic()
				s := &shipping{}
				s.fail(consume.Permanent(errors.New("no such warehouse")))
				start := func() (*messaging.Engine, func()) {
					e := messaging.NewEngine(store)
					must(t, e.Publishes(orders), e.Add(s.consumer(orders)))
					return e, run(t, e)
				}
				e, stop := start()
				must(t, e.Publish(t.Context(), orders, placed{"bad", 0}), e.Publish(t.Context(), orders, placed{"bad", 1}))
				elapse(time.Minute)
				parked := letters(t, store)
				if len(parked) != 2 || parked[0].Attempts != 1 {
					t.Fatalf("parked %+v", parked)
				}
				s.fail(fmt.Errorf("warehouse: %w", carillon.ErrUnavailable))
				calls := s.calls.Load()
				if restarts {
					stop()
					_, stop = start()
				} else {
					must(t, store.DeadLetters().Retry(t.Context(), "shipping", "bad"))
				}
				elapse(time.Minute)
				if diff := cmp.Diff(parked, letters(t, store)); diff != "" {
					t.Errorf("the letters after a minute of tries (-before +after):\n%s", diff)
				}
				if tried := s.calls.Load() - calls; tried < 10 {
					t.Errorf("the key was tried %d times in a minute", tried)
				}
				s.fail(nil)
				elapse(time.Minute)
				stop()
				if diff := cmp.Diff(upTo(2), s.of("bad")); diff != "" || len(letters(t, store)) > 0 {
					t.Errorf("%d letters are left; %s", len(letters(t, store)), diff)
				}
			})
		})
	}
}

// TestAFailingTryCounts is the control: what the message is to blame for goes down in its letter, once for each try that was asked for.
func TestAFailingTryCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, orders := memory.Volatile(), ordersTopic()
		s := &shipping{}
		s.fail(consume.Permanent(errors.New("no such warehouse")))
		e := messaging.NewEngine(store)
		must(t, e.Publishes(orders), e.Add(s.consumer(orders)))
		stop := run(t, e)
		must(t, e.Publish(t.Context(), orders, placed{"bad", 0}))
		elapse(time.Minute)
		for range 3 {
			must(t, store.DeadLetters().Retry(t.Context(), "shipping", "bad"))
			elapse(time.Minute)
		}
		stop()
		if parked := letters(t, store); len(parked) != 1 || parked[0].Attempts != 4 || s.calls.Load() != 4 {
			t.Errorf("after 3 tries %+v, in %d calls", parked, s.calls.Load())
		}
	})
}

// stepping is a store in which something happens before an update of read models, and once letters were read.
type stepping struct {
	*memory.Store
	update, letters func()
}

func (s *stepping) ReadModels() carillon.ReadModels { return steppingModels{s.Store.ReadModels(), s} }

func (s *stepping) DeadLetters() carillon.DeadLetters {
	return steppingLetters{s.Store.DeadLetters(), s}
}

type steppingModels struct {
	carillon.ReadModels
	store *stepping
}

func (m steppingModels) Update(ctx context.Context, ref carillon.ModelRef, durability carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	m.store.update()
	return m.ReadModels.Update(ctx, ref, durability, fn)
}

type steppingLetters struct {
	carillon.DeadLetters
	store *stepping
}

func (l steppingLetters) Letters(ctx context.Context, consumer, key string, after carillon.Position, limit int) ([]carillon.DeadLetter, error) {
	letters, err := l.DeadLetters.Letters(ctx, consumer, key, after, limit)
	l.store.letters()
	return letters, err
}

// TestALetterDiscardedWhileItIsTried is discarded before the try begins its transaction, or between that and the note of its failure: it
// does not come back, and the next letter is tried.
func TestALetterDiscardedWhileItIsTried(t *testing.T) {
	t.Parallel()
	for name, calls := range map[string]int64{"before the handler is called": 0, "before its failure is noted": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, orders, s := memory.Volatile(), ordersTopic(), &shipping{}
				s.fail(consume.Permanent(errors.New("no such warehouse")))
				start := func(seen carillon.Store) (*messaging.Engine, func()) {
					e := messaging.NewEngine(seen)
					must(t, e.Publishes(orders), e.Add(s.consumer(orders)))
					return e, run(t, e)
				}
				e, stop := start(store)
				must(t, e.Publish(t.Context(), orders, placed{"bad", 0}), e.Publish(t.Context(), orders, placed{"bad", 1}))
				elapse(time.Minute)
				stop()
				parked := letters(t, store)
				if len(parked) != 2 {
					t.Fatalf("parked %+v", parked)
				}
				until, once := s.calls.Load()+calls, false
				discard := func() {
					if once || s.calls.Load() != until {
						return
					}
					once = true
					must(t, store.DeadLetters().Discard(t.Context(), "shipping", "bad", parked[0].Position))
					s.fail(nil)
				}
				layer := &stepping{Store: store, update: func() {}, letters: func() {}}
				if calls == 0 {
					layer.letters = discard
				} else {
					layer.update = discard
				}
				_, stop = start(layer) // which tries what is parked
				elapse(time.Minute)
				stop()
				if diff := cmp.Diff([]int{1}, s.of("bad")); diff != "" || len(letters(t, store)) > 0 {
					t.Errorf("letters %+v are left; handled (-want +got):\n%s", letters(t, store), diff)
				}
			})
		})
	}
}
