package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
)

// parkedKey is a key of a consumer, which for a shadow has the shadow's name.
type parkedKey struct{ consumer, key string }

// letters are the parked events in the database.
type letters struct {
	byKey map[parkedKey][]carillon.DeadLetter // in order of position
	asked map[parkedKey]bool
}

func newLetters() *letters {
	return &letters{byKey: make(map[parkedKey][]carillon.DeadLetter), asked: make(map[parkedKey]bool)}
}

func (l *letters) put(consumer string, letter carillon.DeadLetter) {
	k := parkedKey{consumer, letter.Key}
	l.remove(k, letter.Position)
	l.byKey[k] = append(l.byKey[k], letter)
	slices.SortFunc(l.byKey[k], func(a, b carillon.DeadLetter) int { return int(a.Position - b.Position) })
}

func (l *letters) remove(k parkedKey, at carillon.Position) {
	l.byKey[k] = slices.DeleteFunc(l.byKey[k], func(letter carillon.DeadLetter) bool { return letter.Position == at })
	if len(l.byKey[k]) == 0 {
		delete(l.byKey, k)
	}
}

// first is the position of a key's first letter, 0 when it has none.
func (l *letters) first(k parkedKey) carillon.Position {
	if len(l.byKey[k]) == 0 {
		return 0
	}
	return l.byKey[k][0].Position
}

// holds reports whether an event is parked.
func (l *letters) holds(k parkedKey, at carillon.Position) bool {
	return slices.ContainsFunc(l.byKey[k], func(letter carillon.DeadLetter) bool { return letter.Position == at })
}

// keys are the parked keys of a consumer in order.
func (l *letters) keys(consumer string) (keys []carillon.ParkedKey) {
	for k, letters := range l.byKey {
		if k.consumer == consumer {
			keys = append(keys, carillon.ParkedKey{Key: k.key, Letters: int64(len(letters)), First: letters[0].Position, Retry: l.asked[k]})
		}
	}
	slices.SortFunc(keys, func(a, b carillon.ParkedKey) int { return int(a.First - b.First) })
	return keys
}

// drop removes the letters of a consumer, and what was asked for them.
func (l *letters) drop(consumer string) {
	maps.DeleteFunc(l.byKey, func(k parkedKey, _ []carillon.DeadLetter) bool { return k.consumer == consumer })
	maps.DeleteFunc(l.asked, func(k parkedKey, _ bool) bool { return k.consumer == consumer })
}

// replace makes the letters of a shadow those of the consumer.
func (l *letters) replace(consumer string) {
	shadowed := modelName(carillon.ModelRef{Name: consumer, Shadow: true})
	l.drop(consumer)
	for k, letters := range maps.Clone(l.byKey) {
		if k.consumer == shadowed {
			delete(l.byKey, k)
			l.byKey[parkedKey{consumer, k.key}] = letters
		}
	}
}

// laneKey is what a segment parks the events of a key under.
func laneKey(key string, segment, segments int) string {
	if segments == 1 {
		return key
	}
	return fmt.Sprintf("%d/%s", segment, key)
}

// consumer is whose letters a transaction parks and unparks.
func (t *transaction) consumer() string {
	if t.database.world.bug == shadowParksLive {
		return t.ref.Name
	}
	return modelName(t.ref)
}

// Park adds letters with the commit.
func (t *transaction) Park(parked []carillon.DeadLetter) error {
	parked = slices.Clone(parked)
	t.parking = append(t.parking, func(l *letters) {
		for _, letter := range parked {
			l.put(t.consumer(), letter)
		}
	})
	return nil
}

// there reports whether a letter was there before the transaction: none parks and then handles one.
func (t *transaction) there(key string, position carillon.Position) bool {
	t.database.world.mu.Lock()
	defer t.database.world.mu.Unlock()
	return t.database.letters.holds(parkedKey{t.consumer(), key}, position)
}

// Replace replaces a letter with the commit.
func (t *transaction) Replace(letter carillon.DeadLetter) error {
	if !t.there(letter.Key, letter.Position) {
		return carillon.ErrNotFound
	}
	return t.Park([]carillon.DeadLetter{letter})
}

// Unpark removes a letter with the commit.
func (t *transaction) Unpark(key string, position carillon.Position) error {
	if !t.there(key, position) {
		return carillon.ErrNotFound
	}
	if t.database.world.bug != handledStays {
		t.parking = append(t.parking, func(l *letters) { l.remove(parkedKey{t.consumer(), key}, position) })
	}
	return nil
}

// Tried notes with the commit that a try was made.
func (t *transaction) Tried(key string) error {
	t.parking = append(t.parking, func(l *letters) { delete(l.asked, parkedKey{t.consumer(), key}) })
	return nil
}

// sessionLetters are the dead letters as a process reaches them.
type sessionLetters struct{ *session }

func (s *session) DeadLetters() carillon.DeadLetters { return sessionLetters{s} }

// keysRead is a read of parked keys under way, for all of a process who ask at one moment: no seed settles which of them comes first.
type keysRead struct {
	began time.Time
	done  chan struct{}
	keys  []carillon.ParkedKey
	err   error
}

func (l sessionLetters) Keys(ctx context.Context, consumer string) ([]carillon.ParkedKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := l.world
	w.mu.Lock()
	read := l.keys[consumer]
	if read == nil || !read.began.Equal(time.Now()) {
		read = &keysRead{began: time.Now(), done: make(chan struct{})}
		l.keys[consumer] = read
		w.do(func() {
			defer close(read.done)
			read.keys, read.err = l.read(context.Background(), consumer)
		})
	}
	w.mu.Unlock()
	select {
	case <-read.done:
		return slices.Clone(read.keys), read.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l sessionLetters) read(ctx context.Context, consumer string) (keys []carillon.ParkedKey, err error) {
	err = l.call(ctx, "parked keys of "+consumer, func(fate) (string, error) {
		keys = l.world.database.letters.keys(consumer)
		text := fmt.Sprint(keys)
		if l.world.bug == keysForgotten {
			keys = slices.DeleteFunc(keys, func(key carillon.ParkedKey) bool { return !key.Retry })
		}
		return text, nil
	})
	return keys, err
}

func (l sessionLetters) Letters(
	ctx context.Context, consumer, key string, after carillon.Position, limit int,
) (found []carillon.DeadLetter, err error) {
	err = l.call(ctx, fmt.Sprintf("letters of %s %s after %d", consumer, key, after), func(fate) (string, error) {
		all := slices.Clone(l.world.database.letters.byKey[parkedKey{consumer, key}])
		if l.world.bug == lettersReversed {
			slices.Reverse(all)
		}
		for _, letter := range all {
			if letter.Position > after && len(found) < limit {
				found = append(found, letter)
			}
		}
		return fmt.Sprint(len(found)), nil
	})
	return found, err
}

func (l sessionLetters) Retry(ctx context.Context, consumer, key string) error {
	return l.call(ctx, fmt.Sprintf("retry %s %s", consumer, key), func(fate) (string, error) {
		k := parkedKey{consumer, key}
		if l.world.database.letters.first(k) == 0 {
			return "", carillon.ErrNotFound
		}
		l.world.database.letters.asked[k] = true
		return "asked", nil
	})
}

func (l sessionLetters) Discard(context.Context, string, string, carillon.Position) error {
	return carillon.ErrUnsupported
}

// parked describes what consumers have parked, "" for nothing.
func (l *letters) parked() string {
	var keys []string
	for k := range maps.Keys(l.byKey) {
		if strings.HasSuffix(k.consumer, shadowMark) {
			continue
		}
		keys = append(keys, fmt.Sprintf("%s %s from %d", k.consumer, k.key, l.first(k)))
	}
	slices.Sort(keys)
	if len(keys) == 0 {
		return ""
	}
	return fmt.Sprint(keys)
}
