package consume_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
)

// script drives a scheduler by words, and notes what comes of each.
type script struct {
	core    *consume.Scheduler[string]
	now     time.Time
	next    carillon.Position
	flying  map[string]consume.Task[string]
	letters []consume.Letter[string]
}

var errBroken = errors.New("broken")

// step does one thing. Deliveries are named by their value: a1 is the first of key a, and -1 the first without a key.
func (s *script) step(t *testing.T, words string) string {
	t.Helper()
	verb, rest, _ := strings.Cut(words, " ")
	var notes []string
	for _, name := range strings.Fields(rest + " ") {
		key, _, _ := strings.Cut(name, "=")
		key = strings.Trim(key, "-0123456789")
		switch verb {
		case "offer":
			s.next++
			if err := s.core.Offer(consume.Delivery[string]{Position: s.next, Key: key, Value: name}); err != nil {
				s.next--
				notes = append(notes, err.Error())
			}
		case "done":
			s.core.Done(s.flying[name])
		case "fail":
			s.core.Fail(s.flying[name], errBroken, s.now)
		case "fail!":
			s.core.Fail(s.flying[name], consume.Permanent(errBroken), s.now)
		case "return":
			s.core.Return(s.flying[name])
		case "park":
			s.core.Park(name)
		case "release":
			notes = append(notes, fmt.Sprint(s.core.Release(name)))
		case "wait":
			wait, err := time.ParseDuration(name)
			if err != nil {
				t.Fatal(err)
			}
			s.now = s.now.Add(wait)
			s.core.Wake(s.now)
		default:
			t.Fatalf("no step %q", words)
		}
	}
	switch verb {
	case "skip":
		s.next++
		s.core.Skip(s.next)
	case "take":
		var tasks [10]consume.Task[string]
		for _, task := range tasks[:s.core.Take(tasks[:])] {
			s.flying[task.Value] = task
			notes = append(notes, fmt.Sprintf("%s#%d", task.Value, task.Attempt))
		}
	case "letters":
		commit := s.core.Prepare(s.letters, 10)
		s.letters = commit.Letters
		for _, letter := range s.letters {
			notes = append(notes, fmt.Sprintf("%s#%d", letter.Delivery.Value, letter.Attempts))
		}
		notes = append(notes, fmt.Sprintf("through %d", commit.Through))
	case "parked":
		s.core.Parked(s.letters...)
		s.letters = nil
	case "wake?":
		wait, ok := s.core.NextWake(s.now)
		notes = append(notes, fmt.Sprint(wait, ok))
	case "watermark":
		notes = append(notes, fmt.Sprint(s.core.Watermark()))
	case "room":
		notes = append(notes, fmt.Sprint(s.core.Room()))
	}
	return strings.Join(notes, " ")
}

func TestScheduler(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		steps [][2]string // what is done, what comes of it
	}{
		{"one of a key at a time, in order", [][2]string{
			{"offer a1 a2 b1"}, {"take", "a1#1 b1#1"}, {"take", ""}, {"done a1"}, {"take", "a2#1"},
		}},
		{"keys are served first come, first served", [][2]string{
			{"offer a1 b1"}, {"take", "a1#1 b1#1"}, {"offer c1 b2"}, {"done b1 a1"}, {"offer a2"}, {"take", "c1#1 b2#1 a2#1"},
		}},
		{"without a key no delivery waits for another", [][2]string{
			{"offer -1 -2 -3"}, {"take", "-1#1 -2#1 -3#1"}, {"done -2"}, {"watermark", "0"}, {"done -1"}, {"watermark", "2"},
		}},
		{"read-ahead is bounded", [][2]string{
			{"room", "4"},
			{"offer a1 a2 a3 b1"},
			{"room", "0"},
			{"offer c1", "read-ahead is full"},
			{"take", "a1#1 b1#1"},
			{"done b1"},
			{"room", "1"},
			{"offer c1"},
		}},
		{"what stands beyond the watermark is bounded", [][2]string{
			{"offer a1 -1 -2 -3"},
			{"take", "a1#1 -1#1 -2#1 -3#1"},
			{"done -1 -2 -3"},
			{"offer -4 -5"},
			{"room", "0"},
			{"offer -6", "read-ahead is full"},
			{"done a1"},
			{"watermark", "4"},
			{"room", "2"},
		}},
		{"the watermark follows the first incomplete delivery", [][2]string{
			{"offer a1 b1 c1"},
			{"take", "a1#1 b1#1 c1#1"},
			{"done b1"},
			{"watermark", "0"},
			{"done a1"},
			{"watermark", "2"},
			{"done c1"},
			{"watermark", "3"},
		}},
		{"the watermark passes what is of no concern", [][2]string{
			{"skip"},
			{"watermark", "1"},
			{"offer a1"},
			{"skip"},
			{"skip"},
			{"watermark", "1"},
			{"take", "a1#1"},
			{"done a1"},
			{"watermark", "4"},
			{"skip"},
			{"watermark", "5"},
		}},
		{"a failure waits, longer each time, and blocks its key alone", [][2]string{
			{"offer a1 a2 b1"},
			{"take", "a1#1 b1#1"},
			{"wake?", "0s false"},
			{"fail a1"},
			{"wake?", "100ms true"},
			{"done b1"},
			{"offer b2"},
			{"take", "b2#1"},
			{"wait 99ms"},
			{"take", ""},
			{"wait 1ms"},
			{"wake?", "0s false"},
			{"take", "a1#2"},
			{"fail a1"},
			{"wake?", "200ms true"},
			{"wait 1s"},
			{"take", "a1#3"},
			{"done a1"},
			{"take", "a2#1"},
		}},
		{"retries are woken in the order they are due", [][2]string{
			{"offer a1 b1"}, {"take", "a1#1 b1#1"}, {"fail b1"}, {"wait 10ms"}, {"fail a1"}, {"wait 1s"}, {"take", "b1#2 a1#2"},
		}},
		{"a run that does not count is the next, and no attempt", [][2]string{
			{"offer a1 b1"},
			{"take", "a1#1 b1#1"},
			{"offer c1"},
			{"fail a1"},
			{"wait 1s"},
			{"return b1"},
			{"take", "b1#1 c1#1 a1#2"},
			{"return a1"},
			{"take", "a1#2"},
		}},
		{"a delivery that fails for good is parked with those behind it", [][2]string{
			{"offer a1 a2 b1"},
			{"take", "a1#1 b1#1"},
			{"fail a1"},
			{"wait 1s"},
			{"take", "a1#2"},
			{"fail a1"},
			{"wait 1s"},
			{"take", "a1#3"},
			{"fail a1"},
			{"wake?", "0s false"},
			{"letters", "a1#3 a2#0 through 2"},
			{"watermark", "0"},
			{"room", "1"},
			{"parked"},
			{"watermark", "2"},
			{"offer a3"},
			{"take", ""},
			{"letters", "a3#0 through 2"},
			{"parked"},
			{"done b1"},
			{"watermark", "4"},
		}},
		{"a permanent error takes one attempt", [][2]string{
			{"offer a1"}, {"take", "a1#1"}, {"fail! a1"}, {"letters", "a1#1 through 1"}, {"parked"}, {"watermark", "1"},
		}},
		{"letters come again until they are confirmed", [][2]string{
			{"offer a1 b1"},
			{"take", "a1#1 b1#1"},
			{"fail! a1"},
			{"letters", "a1#1 through 1"},
			{"offer a2"},
			{"done b1"},
			{"letters", "a1#1 a2#0 through 3"},
			{"parked"},
			{"letters", "through 3"},
		}},
		{"a key that was parked before stays so", [][2]string{
			{"park a"}, {"offer a1 b1"}, {"take", "b1#1"}, {"letters", "a1#0 through 1"}, {"parked"}, {"release a", "true"}, {"offer a2"}, {"take", "a2#1"},
		}},
		{"a key is released with what is held of it", [][2]string{
			{"park a"},
			{"park c"},
			{"offer a1 c1 a2"},
			{"release a", "true"},
			{"take", "a1#1"},
			{"letters", "c1#0 through 0"},
			{"done a1"},
			{"letters", "c1#0 through 2"},
			{"take", "a2#1"},
		}},
		{"a key is not released while its letters are on their way", [][2]string{
			{"park a"},
			{"offer a1"},
			{"letters", "a1#0 through 1"},
			{"offer a2"},
			{"release a", "false"},
			{"take", ""},
			{"parked"},
			{"release a", "true"},
			{"take", "a2#1"},
		}},
		{"a key that is not parked is released", [][2]string{
			{"release a", "true"}, {"offer a1 a2"}, {"release a", "true"}, {"take", "a1#1"}, {"release a", "true"}, {"take", ""},
		}},
		{"a delivery without a key parks no other", [][2]string{
			{"offer -1 -2"}, {"take", "-1#1 -2#1"}, {"fail! -1"}, {"offer -3"}, {"take", "-3#1"}, {"letters", "-1#1 through 1"}, {"parked"}, {"watermark", "1"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			settings := consume.Settings{ReadAhead: 4, Span: 6, Retry: consume.Retry{Attempts: 3}}
			s := &script{
				core:   consume.NewScheduler[string](0, settings),
				now:    time.Unix(0, 0),
				flying: make(map[string]consume.Task[string]),
			}
			for i, step := range test.steps {
				if got := s.step(t, step[0]); got != step[1] {
					t.Fatalf("step %d, %s: %q, want %q", i+1, step[0], got, step[1])
				}
			}
		})
	}
}

func TestSchedulerRefusesAnOldPosition(t *testing.T) {
	t.Parallel()
	core := consume.NewScheduler[string](7, consume.Settings{})
	if err := core.Offer(consume.Delivery[string]{Position: 7}); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("an offer at the start: %v", err)
	}
	core.Skip(9)
	if err := core.Offer(consume.Delivery[string]{Position: 9}); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("an offer at a skipped position: %v", err)
	}
	if err := core.Offer(consume.Delivery[string]{Position: 10}); err != nil {
		t.Errorf("an offer behind: %v", err)
	}
}

func TestSchedulerPanicsOnMisuse(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*consume.Scheduler[string], consume.Task[string]){
		"done twice":            func(s *consume.Scheduler[string], task consume.Task[string]) { s.Done(task); s.Done(task) },
		"returned twice":        func(s *consume.Scheduler[string], task consume.Task[string]) { s.Return(task); s.Return(task) },
		"confirmed before":      func(s *consume.Scheduler[string], task consume.Task[string]) { s.Parked(consume.Letter[string]{}) },
		"parked with work held": func(s *consume.Scheduler[string], task consume.Task[string]) { s.Park("a") },
	}
	for name, misuse := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core := consume.NewScheduler[string](0, consume.Settings{})
			if err := core.Offer(consume.Delivery[string]{Position: 1, Key: "a"}); err != nil {
				t.Fatal(err)
			}
			var tasks [1]consume.Task[string]
			core.Take(tasks[:])
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse(core, tasks[0])
		})
	}
}

func TestLetterSaysWhatHappened(t *testing.T) {
	t.Parallel()
	core := consume.NewScheduler[string](0, consume.Settings{Retry: consume.Retry{Attempts: 2}})
	for i, value := range []string{"first", "second"} {
		if err := core.Offer(consume.Delivery[string]{Position: carillon.Position(i + 1), Key: "a", Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Unix(100, 0)
	var tasks [1]consume.Task[string]
	core.Take(tasks[:])
	core.Fail(tasks[0], errBroken, start)
	core.Wake(start.Add(time.Second))
	core.Take(tasks[:])
	core.Fail(tasks[0], &consume.PanicError{Value: errBroken, Stack: "here"}, start.Add(time.Second))

	letters := core.Prepare(nil, 10).Letters
	if len(letters) != 2 {
		t.Fatalf("%d letters", len(letters))
	}
	if !errors.Is(letters[0].Cause, errBroken) || !errors.Is(letters[1].Cause, consume.ErrBehind) {
		t.Errorf("causes %v, %v", letters[0].Cause, letters[1].Cause)
	}
	type said struct {
		value, stack string
		attempts     int
		first, last  time.Time
	}
	got := make([]said, 0, len(letters))
	for _, l := range letters {
		got = append(got, said{l.Delivery.Value, l.Stack, l.Attempts, l.First, l.Last})
	}
	want := []said{{"first", "here", 2, start, start.Add(time.Second)}, {value: "second"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(said{})); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
}
