package sourcing_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// The boundary these tests use: students enrol in courses that have a capacity, and each in two courses at most.
type (
	defineCourse struct {
		Course   string
		Capacity int
	}
	enrol struct{ Course, Student string }

	courseDefined struct {
		Course   string
		Capacity int
	}
	enrolled struct{ Course, Student string }

	enrolment struct {
		Capacity map[string]int
		Places   map[string]int // taken, by course
		Courses  map[string]int // taken, by student
	}
)

const coursesPerStudent = 2

func (e courseDefined) Tags() []carillon.Tag {
	return []carillon.Tag{carillon.NewTag("course", e.Course)}
}

func (e enrolled) Tags() []carillon.Tag {
	return []carillon.Tag{carillon.NewTag("course", e.Course), carillon.NewTag("student", e.Student)}
}

func (s enrolment) Defined(e courseDefined) enrolment {
	s.Capacity = with(s.Capacity, e.Course, e.Capacity)
	return s
}

func (s enrolment) Enrolled(e enrolled) enrolment {
	s.Places = with(s.Places, e.Course, s.Places[e.Course]+1)
	s.Courses = with(s.Courses, e.Student, s.Courses[e.Student]+1)
	return s
}

// with is a map with one value changed; folds change nothing they are given.
func with(m map[string]int, key string, value int) map[string]int {
	if m = maps.Clone(m); m == nil {
		m = make(map[string]int)
	}
	m[key] = value
	return m
}

func (s enrolment) DecideDefine(c defineCourse) ([]carillon.Event, error) {
	if _, known := s.Capacity[c.Course]; known {
		return nil, carillon.Rejectf("course %s is there already", c.Course)
	}
	return carillon.Events(courseDefined(c)), nil
}

func (s enrolment) DecideEnrol(c enrol) ([]carillon.Event, error) {
	switch {
	case s.Places[c.Course] >= s.Capacity[c.Course]:
		return nil, carillon.Rejectf("course %s is full", c.Course)
	case s.Courses[c.Student] >= coursesPerStudent:
		return nil, carillon.Rejectf("student %s takes %d courses", c.Student, coursesPerStudent)
	}
	return carillon.Events(enrolled(c)), nil
}

func enrolments(more ...sourcing.Part[enrolment]) *sourcing.Decider[enrolment] {
	return sourcing.Boundary("enrolment", append([]sourcing.Part[enrolment]{
		sourcing.On("course.defined", enrolment.Defined),
		sourcing.On("student.enrolled", enrolment.Enrolled),
		sourcing.Decide("course.define", func(c defineCourse) []carillon.Tag {
			return []carillon.Tag{carillon.NewTag("course", c.Course)}
		}, enrolment.DecideDefine),
		sourcing.Decide("student.enrol", func(c enrol) []carillon.Tag {
			return []carillon.Tag{carillon.NewTag("student", c.Student), carillon.NewTag("course", c.Course)}
		}, enrolment.DecideEnrol),
	}, more...)...)
}

// taken counts what a log says: places by course, courses by student.
func taken(t testing.TB, log carillon.Log) (places, courses map[string]int) {
	t.Helper()
	page, err := log.Read(t.Context(), carillon.ByTypes("student.enrolled"), 0, 1_000_000)
	if err != nil || page.More {
		t.Fatal(page.More, err)
	}
	places, courses = make(map[string]int), make(map[string]int)
	for _, event := range page.Events {
		for _, tag := range event.Tags {
			if tag.Key() == "course" {
				places[tag.Value()]++
			} else {
				courses[tag.Value()]++
			}
		}
	}
	return places, courses
}

func TestBoundary(t *testing.T) {
	t.Parallel()
	p := newPort()
	bound := bind(t, enrolments(), p)
	do(t, bound, defineCourse{"go", 2})
	do(t, bound, defineCourse{"sql", 2})
	do(t, bound, defineCourse{"art", 2})
	behind(t, p.Log, "elsewhere-1", "elsewhere.noted", `{}`)
	for _, test := range []struct {
		command any
		want    string
	}{
		{enrol{"go", "ann"}, "{First:5 Last:5 Version:0 Duplicate:false}"},
		{enrol{"go", "bob"}, "{First:6 Last:6 Version:0 Duplicate:false}"},
		{enrol{"go", "cid"}, "error: course go is full"},
		{enrol{"sql", "ann"}, "{First:7 Last:7 Version:0 Duplicate:false}"},
		{enrol{"art", "ann"}, "error: student ann takes 2 courses"},
		{enrol{"art", "bob"}, "{First:8 Last:8 Version:0 Duplicate:false}"},
		{defineCourse{"go", 3}, "error: course go is there already"},
	} {
		if got := said(bound.Handle(t.Context(), command(test.command))); got != test.want {
			t.Errorf("%+v: %s, want %s", test.command, got, test.want)
		}
	}
	state, as, err := bound.LoadAcross(t.Context(), "student:ann")
	want := enrolment{Places: map[string]int{"go": 1, "sql": 1}, Courses: map[string]int{"ann": 2}}
	if diff := cmp.Diff(want, state); diff != "" || as != 8 || err != nil {
		t.Errorf("Ann's boundary as of %d, error %v (-want +got):\n%s", as, err, diff)
	}
	page, err := p.Log.Read(t.Context(), carillon.AllEvents(), 4, 1)
	if err != nil || page.Events[0].Stream != "" || len(page.Events[0].Tags) != 2 {
		t.Errorf("an event of the boundary: %+v, error %v", page.Events, err)
	}
}

// TestNeverOverCapacity has 64 students after places in 10 courses, through two processes.
func TestNeverOverCapacity(t *testing.T) {
	t.Parallel()
	const students, courses, capacity = 64, 10, 5
	p := newPort()
	bounds := []*sourcing.Bound[enrolment]{bind(t, enrolments(), p), bind(t, enrolments(), p)}
	for course := range courses {
		do(t, bounds[0], defineCourse{fmt.Sprint("c", course), capacity})
	}
	var callers sync.WaitGroup
	for student := range students {
		callers.Go(func() {
			for range 30 {
				c := enrol{fmt.Sprint("c", rand.N(courses)), fmt.Sprint("s", student)}
				_, err := bounds[student%2].Handle(t.Context(), command(c))
				if err != nil && !errors.Is(err, carillon.ErrRejected) && !errors.Is(err, carillon.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	places, taken := taken(t, p.Log)
	full := 0
	for course, n := range places {
		if n > capacity {
			t.Errorf("course %s has %d students, its capacity is %d", course, n, capacity)
		}
		if n == capacity {
			full++
		}
	}
	for student, n := range taken {
		if n > coursesPerStudent {
			t.Errorf("student %s takes %d courses, %d are allowed", student, n, coursesPerStudent)
		}
	}
	if full != courses {
		t.Errorf("%d of %d courses are full: the limit was hardly tested", full, courses)
	}
}

// racers has 64 processes read one boundary before any of them appends, and returns how many commands were accepted.
func racers[S any](t *testing.T, p *port, decider *sourcing.Decider[S], commandOf func(n int) any) (winners int) {
	t.Helper()
	const processes = 64
	var all sync.WaitGroup
	all.Add(processes)
	var mu sync.Mutex
	var running sync.WaitGroup
	for n := range processes {
		bound := bind(t, decider, &starting{Log: p, ready: &all})
		running.Go(func() {
			_, err := bound.Handle(t.Context(), command(commandOf(n)))
			switch {
			case err == nil:
				mu.Lock()
				winners++
				mu.Unlock()
			case !errors.Is(err, carillon.ErrRejected):
				t.Error(err)
			}
		})
	}
	running.Wait()
	return winners
}

// starting holds a process's first append until all have read.
type starting struct {
	carillon.Log
	once  sync.Once
	ready *sync.WaitGroup
}

func (s *starting) Append(ctx context.Context, batch []carillon.Append) ([]carillon.Verdict, error) {
	s.once.Do(func() {
		s.ready.Done()
		s.ready.Wait()
	})
	return s.Log.Append(ctx, batch)
}

func TestRacersForTheLastPlaces(t *testing.T) {
	t.Parallel()
	for _, unguarded := range []bool{false, true} { // the second is the control: a log that drops the condition
		p := newPort()
		do(t, bind(t, enrolments(), p), defineCourse{"go", 5})
		p.unguarded = unguarded
		winners := racers(t, p, enrolments(), func(n int) any { return enrol{"go", fmt.Sprint("s", n)} })
		places, _ := taken(t, p.Log)
		if winners != places["go"] {
			t.Errorf("%d were told that they have a place, %d have one", winners, places["go"])
		}
		if !unguarded && winners != 5 {
			t.Errorf("%d students in a course of 5", winners)
		}
		if unguarded && winners <= 5 {
			t.Errorf("%d students without the condition: the race was none", winners)
		}
	}
}

type (
	claim   struct{ Name string }
	claimed struct{ Name string }
)

func (c claimed) Tags() []carillon.Tag {
	return []carillon.Tag{carillon.NewTag("name", strings.ToLower(c.Name))}
}

func TestAUserNameIsUnique(t *testing.T) {
	t.Parallel()
	names := sourcing.Boundary("name",
		sourcing.On("name.claimed", func(bool, claimed) bool { return true }),
		sourcing.Decide("name.claim", func(c claim) []carillon.Tag { return claimed(c).Tags() }, func(taken bool, c claim) ([]carillon.Event, error) {
			if taken {
				return nil, carillon.Rejectf("the name %s is taken", c.Name)
			}
			return carillon.Events(claimed(c)), nil
		}))
	spellings := []string{"ann", "Ann", "ANN", "aNN"}
	p := newPort()
	winners := racers(t, p, names, func(n int) any { return claim{spellings[n%len(spellings)]} })
	if at := head(t, p); winners != 1 || at != 1 {
		t.Errorf("%d users got the name, %d events", winners, at)
	}
	if _, err := bind(t, names, p).Handle(t.Context(), command(claim{"bob"})); err != nil {
		t.Errorf("another name: %v", err)
	}
}

// TestEventsOutsideTheBoundary: a command may come to an event that its own boundary does not hold. It is not part of the state,
// kept or loaded.
func TestEventsOutsideTheBoundary(t *testing.T) {
	t.Parallel()
	type swap struct{ From, To, Student string }
	decider := enrolments(sourcing.Decide("student.swap", func(c swap) []carillon.Tag { return []carillon.Tag{carillon.NewTag("course", c.From)} },
		func(_ enrolment, c swap) ([]carillon.Event, error) {
			return carillon.Events(enrolled{c.From, c.Student}, enrolled{c.To, c.Student}), nil
		}))
	p := newPort()
	bound := bind(t, decider, p)
	do(t, bound, swap{"go", "sql", "ann"})
	do(t, bound, swap{"go", "art", "bob"})
	want := enrolment{Places: map[string]int{"go": 2}, Courses: map[string]int{"ann": 1, "bob": 1}}
	for _, b := range []*sourcing.Bound[enrolment]{bound, bind(t, decider, p)} {
		state, _, err := b.LoadAcross(t.Context(), "course:go")
		if diff := cmp.Diff(want, state); diff != "" || err != nil {
			t.Errorf("error %v, state (-want +got):\n%s", err, diff)
		}
	}
}

func TestBoundaryRefuses(t *testing.T) {
	t.Parallel()
	bound := bind(t, enrolments(sourcing.Decide("none", func(int) []carillon.Tag { return nil },
		func(enrolment, int) ([]carillon.Event, error) { return nil, nil })), newPort())
	tests := []struct {
		name    string
		message *carillon.Message
	}{
		{"no tags", command(1)},
		{"a bad tag", command(enrol{"", "ann"})},
		{"a version, which streams have", command(enrol{"go", "ann"}, ifVersion(0))},
	}
	for _, test := range tests {
		if _, err := bound.Handle(t.Context(), test.message); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("%s: error %v, want one that is ErrInvalid", test.name, err)
		}
	}
	if _, _, err := bound.Load(t.Context(), "go"); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("loading a boundary by key: %v", err)
	}
	if _, _, err := bind(t, accounts(), newPort()).LoadAcross(t.Context(), "a:1"); !errors.Is(err, carillon.ErrInvalid) {
		t.Errorf("loading an aggregate by tags: %v", err)
	}
}
