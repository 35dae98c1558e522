package consume_test

import (
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// history is what has been seen of a scheduler from outside. It knows the rules and nothing of how they are kept: every method
// returns a sentence when what it is told breaks one, else nothing.
type history struct {
	settings   consume.Settings
	deliveries map[carillon.Position]*known
	lanes      map[string][]*known // in order, unresolved
	parked     map[string]bool
	inFlight   map[string]bool
	order      []*known // everything offered or skipped beyond the watermark
	watermark  carillon.Position
	unresolved int
}

type known struct {
	position carillon.Position
	key      string
	state    knownState
	failures int
	spent    bool // it has failed for good
	due      time.Time
}

type knownState string

const (
	held     knownState = "held"
	inFlight knownState = "in flight"
	lettered knownState = "handed out"
	resolved knownState = "done or parked"
)

func newHistory(settings consume.Settings) *history {
	return &history{
		settings:   settings,
		deliveries: make(map[carillon.Position]*known),
		lanes:      make(map[string][]*known),
		parked:     make(map[string]bool),
		inFlight:   make(map[string]bool),
	}
}

// lane gives a delivery without a key a lane of its own.
func (k *known) lane() string {
	if k.key == "" {
		return fmt.Sprintf("\x00%d", k.position)
	}
	return k.key
}

func (h *history) offered(position carillon.Position, key string) string {
	k := &known{position: position, key: key, state: held}
	h.deliveries[position] = k
	h.lanes[k.lane()] = append(h.lanes[k.lane()], k)
	h.order = append(h.order, k)
	h.unresolved++
	if h.unresolved > h.settings.ReadAhead {
		return fmt.Sprintf("bound: %d deliveries held", h.unresolved)
	}
	span := 0
	for _, other := range h.order {
		if other.key != skippedKey {
			span++
		}
	}
	if span > h.settings.Span {
		return fmt.Sprintf("bound: %d deliveries beyond the watermark", span)
	}
	return ""
}

// skippedKey marks what is of no concern; no delivery has it.
const skippedKey = "\x00skipped"

func (h *history) skipped(position carillon.Position) {
	h.order = append(h.order, &known{position: position, key: skippedKey, state: resolved})
}

func (h *history) taken(position carillon.Position, attempt int, now time.Time) string {
	k := h.deliveries[position]
	switch lane := h.lanes[k.lane()]; {
	case h.inFlight[k.lane()]:
		return fmt.Sprintf("two in flight: %d of key %q", position, k.key)
	case k.state != held:
		return fmt.Sprintf("twice: %d is taken while %s", position, k.state)
	case h.parked[k.lane()]:
		return fmt.Sprintf("parked key runs: %d of key %q", position, k.key)
	case lane[0] != k:
		return fmt.Sprintf("order: %d of key %q is taken before %d", position, k.key, lane[0].position)
	case attempt != k.failures+1:
		return fmt.Sprintf("attempts: %d is taken as attempt %d after %d failures", position, attempt, k.failures)
	case now.Before(k.due):
		return fmt.Sprintf("pause: %d is taken %v too soon", position, k.due.Sub(now))
	}
	k.state = inFlight
	h.inFlight[k.lane()] = true
	return ""
}

func (h *history) done(position carillon.Position) {
	k := h.deliveries[position]
	delete(h.inFlight, k.lane())
	h.lanes[k.lane()] = h.lanes[k.lane()][1:]
	h.resolve(k)
}

func (h *history) returned(position carillon.Position) {
	k := h.deliveries[position]
	k.state = held
	delete(h.inFlight, k.lane())
}

func (h *history) failed(position carillon.Position, permanent bool, now time.Time) {
	h.returned(position)
	k := h.deliveries[position]
	k.failures++
	k.due = now.Add(h.settings.Retry.First << (k.failures - 1))
	if permanent || k.failures >= h.settings.Retry.Attempts {
		k.spent = true
		h.parked[k.lane()] = true
	}
}

// letter is told of each letter that is handed out for the first time.
func (h *history) letter(letter consume.Letter[carillon.Position]) string {
	k := h.deliveries[letter.Delivery.Value]
	switch lane := h.lanes[k.lane()]; {
	case k.state != held:
		return fmt.Sprintf("twice: %d is handed out while %s", k.position, k.state)
	case !h.parked[k.lane()]:
		return fmt.Sprintf("parking: %d is handed out though its key %q is not parked", k.position, k.key)
	case lane[0] != k:
		return fmt.Sprintf("order: %d of key %q is handed out before %d", k.position, k.key, lane[0].position)
	case k.spent && letter.Attempts != k.failures, !k.spent && letter.Attempts != 0:
		return fmt.Sprintf("attempts: the letter of %d says %d, not %d", k.position, letter.Attempts, k.failures)
	}
	k.state = lettered
	h.lanes[k.lane()] = h.lanes[k.lane()][1:]
	return ""
}

// stored is told of each letter once the store has it.
func (h *history) stored(position carillon.Position) { h.resolve(h.deliveries[position]) }

func (h *history) released(key string) {
	if !h.parked[key] {
		return
	}
	delete(h.parked, key)
	for _, k := range h.lanes[key] {
		k.failures, k.spent, k.due = 0, false, time.Time{}
	}
}

func (h *history) resolve(k *known) {
	k.state = resolved
	h.unresolved--
}

// checkpoint is told of a position that would be made durable now, together with the letters handed out.
func (h *history) checkpoint(position carillon.Position, withLetters bool) string {
	expected := h.watermark
	for _, k := range h.order {
		if k.state != resolved && (k.state != lettered || !withLetters) {
			if position >= k.position {
				return fmt.Sprintf("watermark: it is %d and passes %d, which is %s", position, k.position, k.state)
			}
			break
		}
		expected = k.position
	}
	if position != expected {
		return fmt.Sprintf("watermark: it is %d and not %d", position, expected)
	}
	if !withLetters {
		h.watermark = position
		for len(h.order) > 0 && h.order[0].position <= position {
			h.order = h.order[1:]
		}
	}
	return ""
}

// end is told when there is nothing left to do.
func (h *history) end() string {
	for _, k := range h.order {
		if k.state != resolved {
			return fmt.Sprintf("lost: %d of key %q is %s at the end", k.position, k.key, k.state)
		}
	}
	return ""
}
