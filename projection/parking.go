package projection

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// parking knows which keys of a segment are parked, and what is to be parked with the next commit. It is used by one goroutine at a time.
type parking struct {
	consumer string
	prefix   string               // of the keys of this segment: an event may concern several segments, and each parks it for itself
	port     carillon.DeadLetters // nil where the store parks nothing: a failing event then holds up everything behind it
	keys     map[string]bool      // nil while it is not known
	pending  []carillon.DeadLetter
	spread   int // into how many segments the model is split that a shadow is to replace; 0 for no shadow
}

func newParking(e *Engine, name string, part segment) parking {
	p := parking{consumer: name}
	if part.of > 1 {
		p.prefix = strconv.Itoa(part.index) + "/"
	}
	if store, ok := e.store.(carillon.DeadLetterStore); ok {
		p.port = store.DeadLetters()
	}
	return p
}

// lettersPage is how many letters are read at a time.
const lettersPage = 1000

// behindCause is the cause of an event that was never tried.
const behindCause = "waits behind an event of its key"

// laneKey is what order is kept per: the key an event happened to, or its position when it has none.
func laneKey(event *carillon.Recorded) string {
	if key := entityKey(event); key != "" {
		return key
	}
	return "#" + strconv.FormatInt(int64(event.Position), 10)
}

// spread makes letters of a shadow, which is whole, those of a model in segments: each meets the event, and folds its own rows.
func spread(letters []carillon.DeadLetter, of int) []carillon.DeadLetter {
	if of <= 1 {
		return letters
	}
	spread := make([]carillon.DeadLetter, 0, of*len(letters))
	for index := range of {
		for _, letter := range letters {
			letter.Key = strconv.Itoa(index) + "/" + letter.Key
			spread = append(spread, letter)
		}
	}
	return spread
}

// key is what an event is parked under.
func (p *parking) key(event *carillon.Recorded) string { return p.prefix + laneKey(event) }

// nobodyKnows is the failure of an event whose type nobody in the service knows, nil for any other.
func (s *seat) nobodyKnows(event *carillon.Recorded) error {
	if s.engine.known == nil || s.engine.known[event.Type] || s.port == nil || !s.part.holds(laneKey(event)) {
		return nil
	}
	return fmt.Errorf("event %q at position %d: nobody in the service knows this type: %w", event.Type, event.Position, carillon.ErrUnknownType)
}

// load reads which keys are parked, unless that is known.
func (p *parking) load(ctx context.Context) error {
	if p.port == nil || p.keys != nil {
		return nil
	}
	parked, err := p.port.Keys(ctx, p.consumer)
	if err != nil {
		return fmt.Errorf("parked keys: %w", err)
	}
	p.keys = make(map[string]bool, len(parked))
	for _, key := range parked {
		if strings.HasPrefix(key.Key, p.prefix) {
			p.keys[key.Key] = true
		}
	}
	return nil
}

// forget drops what is in memory, so that it is read from the store again.
func (p *parking) forget() { p.keys, p.pending = nil, nil }

// behind parks an event whose key is parked; false when it is not.
func (p *parking) behind(event *carillon.Recorded) bool {
	key := p.key(event)
	if !p.keys[key] {
		return false
	}
	p.pending = append(p.pending, carillon.DeadLetter{Consumer: p.consumer, Key: key, Position: event.Position, Cause: behindCause})
	return true
}

// takes reports whether a failure is the event's own and the event can be parked.
func (p *parking) takes(ctx context.Context, failure error) bool {
	var store *storeError
	return p.port != nil && ctx.Err() == nil && !errors.As(failure, &store)
}

// park parks a failing event and its key with the next commit.
func (p *parking) park(event *carillon.Recorded, failure error, tried *carillon.DeadLetter) {
	now := time.Now().UTC()
	letter := carillon.DeadLetter{
		Consumer: p.consumer, Key: p.key(event), Position: event.Position, Attempts: 1, Cause: failure.Error(), First: now, Last: now,
	}
	if tried != nil {
		letter.Attempts = tried.Attempts + 1
		if !tried.First.IsZero() {
			letter.First = tried.First
		}
	}
	var panicked *panicError
	if errors.As(failure, &panicked) {
		letter.Stack = panicked.stack
	}
	p.keys[letter.Key] = true
	p.pending = append(p.pending, letter)
}

// write writes what is to be parked.
func (p *parking) write(tx carillon.ReadModelTx) error {
	if len(p.pending) == 0 {
		return nil
	}
	parks, err := parkingTx(tx)
	if err != nil {
		return err
	}
	return parks.Park(spread(p.pending, p.spread))
}

// written forgets what was to be parked once its commit has succeeded.
func (p *parking) written() { p.pending = nil }

// errGone: a letter was discarded, or dropped by a rebuild, while it was tried.
var errGone = errors.New("the letter is gone")

// unpark removes a letter that is handled in the same transaction, or returns errGone.
func (p *parking) unpark(tx carillon.ReadModelTx, letter *carillon.DeadLetter) error {
	parks, err := parkingTx(tx)
	if err != nil {
		return err
	}
	return unlessGone(parks.Unpark(letter.Key, letter.Position))
}

func unlessGone(err error) error {
	if errors.Is(err, carillon.ErrNotFound) {
		return errGone
	}
	return err
}

func parkingTx(tx carillon.ReadModelTx) (carillon.ParkingTx, error) {
	parks, ok := tx.(carillon.ParkingTx)
	if !ok {
		return nil, fmt.Errorf("the store keeps dead letters and does not park: %w", carillon.ErrUnsupported)
	}
	return parks, nil
}

// fail notes another failure of a letter, and that what somebody asked for was done; errGone when the letter is not there any more: then
// it does not come back.
func (p *parking) fail(tx carillon.ReadModelTx, key string) error {
	parks, err := parkingTx(tx)
	if err != nil {
		return err
	}
	for i := range p.pending { // that one
		if err := unlessGone(parks.Replace(p.pending[i])); err != nil {
			return err
		}
	}
	return parks.Tried(key)
}

// letters returns every letter of the segment.
func (p *parking) letters(ctx context.Context) (all []carillon.DeadLetter, err error) {
	for key := range p.keys {
		for after := carillon.Position(0); ; {
			letters, err := p.port.Letters(ctx, p.consumer, key, after, lettersPage)
			if err != nil {
				return nil, err
			}
			all = append(all, letters...)
			if len(letters) < lettersPage {
				break
			}
			after = letters[len(letters)-1].Position
		}
	}
	return all, nil
}

// first returns the first letter of a key with its event; nil when the key has none.
func (p *parking) first(ctx context.Context, log *eventlog.Log, key string) (*carillon.DeadLetter, *eventlog.Entry, error) {
	letters, err := p.port.Letters(ctx, p.consumer, key, 0, 1)
	if err != nil || len(letters) == 0 {
		return nil, nil, err
	}
	page, err := log.Read(ctx, carillon.AllEvents(), letters[0].Position-1, 1)
	if err != nil {
		return nil, nil, err
	}
	if len(page.Events) == 0 || page.Events[0].Position != letters[0].Position {
		return nil, nil, fmt.Errorf("the log has no event at position %d, which is parked: %w", letters[0].Position, carillon.ErrCorrupt)
	}
	return &letters[0], &eventlog.Entry{Recorded: &page.Events[0]}, nil
}

// storeError is a failure of the store, which no event is to blame for.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

// panicError is a panic of a fold or handler.
type panicError struct {
	cause any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panicked: %v", e.cause) }

// recovered is a panic as an error; nil for none. It is called by a deferred function with what recover returned.
func recovered(cause any) error {
	if cause == nil {
		return nil
	}
	return &panicError{cause: cause, stack: string(debug.Stack())}
}
