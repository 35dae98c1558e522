package consume_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// fault is a bug in how the scheduler is driven, which the history has to notice.
type fault string

const (
	faultKeyless     fault = "keys are not told"
	faultSwapped     fault = "the second delivery of a key runs for the first"
	faultEarlyDone   fault = "done is said before the handler has ended"
	faultDropped     fault = "a delivery is completed without being run"
	faultRepeated    fault = "a done delivery is returned"
	faultUnbounded   fault = "the limits are not told"
	faultRunsParked  fault = "a key is released that nobody released"
	faultEarlyParked fault = "letters are confirmed before they are stored"
	faultHasty       fault = "time is told to run ahead"
	faultShutdown    fault = "a run that was cut short is counted as failed"
)

// driver makes random moves with a scheduler and tells the history of them.
type driver struct {
	*rand.Rand
	core     *consume.Scheduler[carillon.Position]
	history  *history
	fault    fault
	now      time.Time
	next     carillon.Position
	inFlight []consume.Task[carillon.Position]
	acked    map[carillon.Position]bool // said to be done too early
	letters  []consume.Letter[carillon.Position]
}

func newDriver(seed uint64, f fault) *driver {
	settings := consume.Settings{
		ReadAhead: 24, Span: 60,
		Retry: consume.Retry{Attempts: 3, First: 100 * time.Millisecond, Last: time.Minute},
	}
	told := settings
	if f == faultUnbounded {
		told.ReadAhead, told.Span = 1000, 1000
	}
	d := &driver{
		Rand:    rand.New(rand.NewPCG(seed, 0)),
		core:    consume.NewScheduler[carillon.Position](0, told),
		history: newHistory(settings),
		fault:   f,
		now:     time.Unix(0, 0),
		acked:   make(map[carillon.Position]bool),
	}
	for _, key := range []string{"a", "b"} { // as found in the store
		d.core.Park(key)
		d.history.parked[key] = true
	}
	return d
}

// run makes so many moves and then brings everything to its end. It returns the first rule broken.
func (d *driver) run(moves int) string {
	for range moves {
		if broken := d.move(); broken != "" {
			return broken
		}
		if broken := d.history.checkpoint(d.core.Watermark(), false); broken != "" {
			return broken
		}
	}
	for d.core.Held() > 0 {
		d.now = d.now.Add(time.Hour)
		d.core.Wake(d.now)
		for _, step := range []func() string{d.take, d.handOut, d.store} {
			if broken := step(); broken != "" {
				return broken
			}
		}
		for len(d.inFlight) > 0 {
			d.end(d.pick(), nil)
		}
	}
	if broken := d.history.checkpoint(d.core.Watermark(), false); broken != "" {
		return broken
	}
	if kept := d.core.Keys(); kept > len(d.history.parked) {
		return fmt.Sprintf("bound: %d keys are remembered, %d are parked", kept, len(d.history.parked))
	}
	return d.history.end()
}

func (d *driver) move() string {
	switch n := d.IntN(100); {
	case n < 35:
		return d.offer()
	case n < 40:
		d.next += 1 + carillon.Position(d.IntN(3))
		d.core.Skip(d.next)
		d.history.skipped(d.next)
	case n < 60:
		return d.take()
	case n < 80:
		if len(d.inFlight) > 0 {
			d.endSomehow(d.pick())
		}
	case n < 88:
		d.wake()
	case n < 94:
		return d.handOut()
	case n < 98:
		return d.store()
	default:
		d.release(string(rune('a' + d.IntN(6))))
	}
	return ""
}

func (d *driver) offer() string {
	key := ""
	if n := d.IntN(8); n < 6 {
		key = string(rune('a' + n))
	}
	position := d.next + 1
	delivery := consume.Delivery[carillon.Position]{Position: position, Key: key, Value: position}
	if d.fault == faultKeyless {
		delivery.Key = ""
	}
	room := d.core.Room()
	err := d.core.Offer(delivery)
	if errors.Is(err, consume.ErrFull) != (room == 0) {
		return fmt.Sprintf("bound: there is room for %d and the offer says %v", room, err)
	}
	if err != nil {
		return ""
	}
	d.next = position
	return d.history.offered(position, key)
}

func (d *driver) take() string {
	tasks := make([]consume.Task[carillon.Position], 1+d.IntN(4))
	for _, task := range tasks[:d.core.Take(tasks)] {
		if d.fault == faultDropped && d.IntN(10) == 0 {
			d.core.Done(task)
			continue
		}
		if lane := d.history.lanes[task.Key]; d.fault == faultSwapped && len(lane) > 1 {
			task.Value = lane[1].position
		}
		if broken := d.history.taken(task.Value, task.Attempt, d.now); broken != "" {
			return broken
		}
		if d.fault == faultEarlyDone && d.IntN(10) == 0 {
			d.core.Done(task)
			d.acked[task.Position] = true
		}
		d.inFlight = append(d.inFlight, task)
	}
	return ""
}

// pick takes any of the deliveries in flight.
func (d *driver) pick() consume.Task[carillon.Position] {
	i := d.IntN(len(d.inFlight))
	task := d.inFlight[i]
	d.inFlight = append(d.inFlight[:i], d.inFlight[i+1:]...)
	return task
}

var (
	errAgain    = errors.New("again")
	errCutShort = errors.New("cut short")
)

func (d *driver) endSomehow(task consume.Task[carillon.Position]) {
	switch n := d.IntN(20); {
	case n < 12:
		d.end(task, nil)
	case n < 17:
		d.end(task, errAgain)
	case n < 18:
		d.end(task, consume.Permanent(errAgain))
	default:
		d.end(task, errCutShort)
	}
}

// end gives a task back with its outcome.
func (d *driver) end(task consume.Task[carillon.Position], outcome error) {
	var permanent *consume.PermanentError
	switch {
	case d.acked[task.Position]:
		d.history.done(task.Value)
	case outcome == nil && d.fault == faultRepeated && d.IntN(10) == 0:
		d.history.done(task.Value)
		d.core.Return(task)
	case outcome == nil:
		d.history.done(task.Value)
		d.core.Done(task)
	case errors.Is(outcome, errCutShort) && d.fault == faultShutdown:
		d.history.returned(task.Value)
		d.core.Fail(task, outcome, d.now)
	case errors.Is(outcome, errCutShort):
		d.history.returned(task.Value)
		d.core.Return(task)
	default:
		d.history.failed(task.Value, errors.As(outcome, &permanent), d.now)
		d.core.Fail(task, outcome, d.now)
	}
}

func (d *driver) wake() {
	if wait, ok := d.core.NextWake(d.now); ok && d.IntN(2) == 0 {
		d.now = d.now.Add(wait)
	} else {
		d.now = d.now.Add(time.Duration(d.IntN(50)) * time.Millisecond)
	}
	if d.fault == faultHasty {
		d.core.Wake(d.now.Add(time.Second))
		return
	}
	d.core.Wake(d.now)
}

// handOut prepares a commit, or prepares it again because it has failed.
func (d *driver) handOut() string {
	before := len(d.letters)
	commit := d.core.Prepare(d.letters, 5)
	d.letters = commit.Letters
	if len(d.letters) > 5 {
		return fmt.Sprintf("bound: %d letters", len(d.letters))
	}
	for _, letter := range d.letters[before:] {
		if broken := d.history.letter(letter); broken != "" {
			return broken
		}
	}
	if d.fault == faultEarlyParked {
		d.core.Parked(d.letters...)
		d.letters = nil
		return ""
	}
	return d.history.checkpoint(commit.Through, true)
}

// store has the store take the commit that was prepared.
func (d *driver) store() string {
	for _, letter := range d.letters {
		d.history.stored(letter.Delivery.Value)
	}
	d.core.Parked(d.letters...)
	d.letters = nil
	return ""
}

func (d *driver) release(key string) {
	if d.core.Release(key) && d.fault != faultRunsParked {
		d.history.released(key)
	}
}

// TestSchedulerKeepsItsRules makes thousands of random moves and watches every rule.
func TestSchedulerKeepsItsRules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		if broken := newDriver(seed, "").run(3000); broken != "" {
			t.Errorf("seed %d: %s", seed, broken)
		}
	}
	seed := rand.Uint64()
	if broken := newDriver(seed, "").run(3000); broken != "" {
		t.Errorf("seed %d: %s", seed, broken)
	}
}

// TestHistoryNoticesLoss is the negative control of what only the end can tell.
func TestHistoryNoticesLoss(t *testing.T) {
	t.Parallel()
	h := newHistory(consume.Settings{ReadAhead: 1, Span: 1})
	if broken := h.offered(1, "a"); broken != "" {
		t.Fatal(broken)
	}
	if broken := h.end(); !strings.HasPrefix(broken, "lost") {
		t.Errorf("the history says %q of a delivery that was never run", broken)
	}
}

// TestHistoryNoticesFaults is the negative control: a driver with a fault is noticed with every seed, by the rule named first in
// some of them and by one of the others at least.
func TestHistoryNoticesFaults(t *testing.T) {
	t.Parallel()
	tests := map[fault][]string{
		faultKeyless:     {"two in flight", "order", "parked key runs", "pause"},
		faultSwapped:     {"order"},
		faultEarlyDone:   {"watermark", "two in flight", "bound"},
		faultDropped:     {"watermark", "order", "bound"},
		faultRepeated:    {"twice", "watermark"},
		faultUnbounded:   {"bound"},
		faultRunsParked:  {"parked key runs"},
		faultEarlyParked: {"watermark", "bound"},
		faultHasty:       {"pause"},
		faultShutdown:    {"attempts", "parking"},
	}
	for f, rules := range tests {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			noticed := make(map[string]int)
			for seed := range uint64(20) {
				broken := newDriver(seed, f).run(3000)
				rule, _, _ := strings.Cut(broken, ":")
				noticed[rule]++
				if !slices.Contains(rules, rule) {
					t.Errorf("seed %d: the history says %q, want a breach of one of %q", seed, broken, rules)
				}
			}
			if noticed[rules[0]] == 0 {
				t.Errorf("noticed by %v, never by %q", noticed, rules[0])
			}
		})
	}
}
