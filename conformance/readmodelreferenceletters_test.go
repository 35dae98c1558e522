package conformance

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillon-go/carillon"
)

type referenceLetters reference

func (t *referenceTx) letterKey(consumer, key string) letterKey {
	k := t.r.letterKey(consumer, key)
	k.shadow = t.ref.Shadow && !t.r.is("keeps a shadow's letters with the live ones")
	return k
}

func (r *reference) letterKey(consumer, key string) letterKey {
	if r.is("keeps the letters of all consumers together") {
		consumer = ""
	}
	return letterKey{consumer: consumer, key: r.key(key)}
}

func (t *referenceTx) Park(letters []carillon.DeadLetter) error {
	for _, letter := range letters {
		if t.r.is("refuses causes that are no text") && (strings.Contains(letter.Cause, "\x00") || !utf8.ValidString(letter.Cause)) {
			return errRefused
		}
		switch t.r.fault {
		case "forgets how often a letter was tried":
			letter.Attempts = 0
		case "gives the times of failures in local time":
			letter.First = letter.First.In(time.FixedZone("elsewhere", 3600))
		case "keeps the times of failures in seconds":
			letter.First = letter.First.Truncate(time.Second)
		}
		k := t.letterKey(letter.Consumer, letter.Key)
		parked := t.state.letters[k]
		i := slices.IndexFunc(parked, func(old carillon.DeadLetter) bool { return old.Position == letter.Position })
		switch {
		case i >= 0 && t.r.is("keeps a letter that is parked again"):
		case i >= 0:
			parked[i] = letter
		default:
			parked = append(parked, letter)
		}
		if !t.r.is("gives letters as they were parked") {
			slices.SortFunc(parked, func(a, b carillon.DeadLetter) int { return cmp.Compare(a.Position, b.Position) })
		}
		t.state.letters[k] = parked
		if t.r.is("parks outside the transaction") {
			t.r.state.letters[k] = slices.Clone(parked)
		}
		if t.r.is("forgets a retry when a letter is parked again") {
			delete(t.state.retries, k)
		}
	}
	return nil
}

func (t *referenceTx) there(k letterKey, position carillon.Position) bool {
	return slices.ContainsFunc(t.state.letters[k], func(letter carillon.DeadLetter) bool { return letter.Position == position })
}

func (t *referenceTx) Replace(letter carillon.DeadLetter) error {
	if !t.there(t.letterKey(letter.Consumer, letter.Key), letter.Position) && !t.r.is("brings letters back that were discarded") {
		return carillon.ErrNotFound
	}
	if t.r.is("does not write a letter that was tried again") {
		return nil
	}
	return t.Park([]carillon.DeadLetter{letter})
}

func (t *referenceTx) Unpark(key string, position carillon.Position) error {
	k := t.letterKey(t.ref.Name, key)
	if !t.there(k, position) && !t.r.is("takes a letter that is gone for one that was unparked") {
		return carillon.ErrNotFound
	}
	switch t.r.fault {
	case "unparks live letters through the shadow":
		t.state.remove(t.r, t.r.letterKey(t.ref.Name, key), position)
	case "unparks all letters of a key":
		delete(t.state.letters, k)
	case "unparks outside the transaction":
		t.r.state.remove(t.r, k, position)
	}
	t.state.remove(t.r, k, position)
	return nil
}

// clearLetters is what a clear does with letters.
func (t *referenceTx) clearLetters() {
	kept := "keeps the letters of a live model that is cleared"
	if t.ref.Shadow {
		kept = "keeps a shadow's letters when it is cleared"
	}
	if !t.r.is(kept) {
		t.state.dropLetters(t.ref.Name, t.ref.Shadow)
	}
	if t.r.is("drops the letters of all models with those of one") {
		clear(t.state.letters)
	}
	if !t.r.is("keeps a retry when its model is cleared") {
		maps.DeleteFunc(t.state.retries, func(k letterKey, _ bool) bool { return k.consumer == t.ref.Name && k.shadow == t.ref.Shadow })
	}
}

func (t *referenceTx) Tried(key string) error {
	switch t.r.fault {
	case "goes on with a retry after it was tried":
		return nil
	case "takes one key's tries for those of all":
		clear(t.state.retries)
	case "takes a shadow's tries for the live model's":
		delete(t.state.retries, t.r.letterKey(t.ref.Name, key))
	}
	delete(t.state.retries, t.letterKey(t.ref.Name, key))
	return nil
}

func (s state) remove(r *reference, k letterKey, position carillon.Position) {
	s.letters[k] = slices.DeleteFunc(slices.Clone(s.letters[k]), func(letter carillon.DeadLetter) bool { return letter.Position == position })
	if len(s.letters[k]) > 0 {
		return
	}
	if !r.is("keeps keys that have no letters") {
		delete(s.letters, k)
	}
	if !r.is("keeps a retry when its key is released") {
		delete(s.retries, k)
	}
}

func (s state) dropLetters(consumer string, shadow bool) {
	maps.DeleteFunc(s.letters, func(k letterKey, _ []carillon.DeadLetter) bool { return k.consumer == consumer && k.shadow == shadow })
}

// switchLetters is what a switch does with letters.
func (r *reference) switchLetters(consumer string) {
	s := r.state
	if !r.is("keeps a retry in a switch") {
		maps.DeleteFunc(s.retries, func(k letterKey, _ bool) bool { return k.consumer == consumer })
	}
	if !r.is("keeps the old letters in a switch") {
		s.dropLetters(consumer, false)
	}
	for k, letters := range maps.Clone(s.letters) {
		if !k.shadow || k.consumer != consumer && !r.is("switches the letters of all models") {
			continue
		}
		delete(s.letters, k)
		k.shadow = false
		if !r.is("drops the shadow's letters in a switch") {
			s.letters[k] = append(s.letters[k], letters...)
		}
	}
	for k := range s.retries {
		if len(s.letters[k]) == 0 {
			delete(s.retries, k)
		}
	}
}

func (l *referenceLetters) enter(ctx context.Context) (*reference, error) {
	r := (*reference)(l)
	r.mu.Lock()
	if err := r.usable(ctx); err != nil {
		r.mu.Unlock()
		return nil, err
	}
	return r, nil
}

func (l *referenceLetters) Keys(ctx context.Context, consumer string) ([]carillon.ParkedKey, error) {
	r, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	var keys []carillon.ParkedKey
	for k, letters := range r.state.letters {
		if k.consumer != r.letterKey(consumer, "").consumer || k.shadow {
			continue
		}
		parked := carillon.ParkedKey{Key: k.key, Letters: int64(len(letters)), Retry: r.state.retries[k]}
		if len(letters) > 0 {
			parked.First = letters[0].Position
		}
		switch r.fault {
		case "gives the last letter of a key for its first":
			parked.First = letters[len(letters)-1].Position
		case "counts one letter for each key":
			parked.Letters = 1
		}
		keys = append(keys, parked)
	}
	slices.SortFunc(keys, func(a, b carillon.ParkedKey) int {
		if r.is("lists parked keys backwards") {
			a, b = b, a
		}
		return strings.Compare(a.Key, b.Key)
	})
	return keys, nil
}

func (l *referenceLetters) Letters(ctx context.Context, consumer, key string, after carillon.Position, limit int) ([]carillon.DeadLetter, error) {
	r, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	var letters []carillon.DeadLetter
	if r.is("begins a page of letters with the one before it") {
		after--
	}
	if r.is("gives a letter too many") {
		limit++
	}
	for _, letter := range r.state.letters[r.letterKey(consumer, key)] {
		if letter.Position > after && len(letters) < limit {
			letters = append(letters, letter)
		}
	}
	return letters, nil
}

func (l *referenceLetters) Retry(ctx context.Context, consumer, key string) error {
	r, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer r.mu.Unlock()
	k := r.letterKey(consumer, key)
	if len(r.state.letters[k]) == 0 && !r.is("takes a retry of any key") {
		return carillon.ErrNotFound
	}
	r.state.retries[k] = true
	return nil
}

func (l *referenceLetters) Discard(ctx context.Context, consumer, key string, position carillon.Position) error {
	r, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer r.mu.Unlock()
	k := r.letterKey(consumer, key)
	letters := r.state.letters[k]
	switch {
	case len(letters) == 0 && r.is("calls an unknown key's letter a conflict"):
		return carillon.ErrConflict
	case len(letters) == 0:
		return carillon.ErrNotFound
	case letters[0].Position != position && r.is("takes a discard that is refused for one that was made"):
		return nil
	case letters[0].Position != position && !r.is("discards any letter"):
		return carillon.ErrConflict
	case r.is("looks for the first letter before it discards it"):
		r.letIn()
		if letters = r.state.letters[k]; len(letters) > 0 {
			position = letters[0].Position
		}
	}
	r.state.remove(r, k, position)
	return nil
}
