package enrolment_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/enrolment"
	"github.com/carillon-go/carillon/internal/racing"
)

// TestARaceForOneCourse has 200 students after the 30 places of one course.
func TestARaceForOneCourse(t *testing.T) {
	t.Parallel()
	const students, capacity = 200, 30
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		racing.Run(t, log, enrolment.Decider(), []any{offer{"go", capacity}})
		var commands []any
		for s := range students {
			commands = append(commands, enrol{"go", fmt.Sprint("s", s)})
		}
		accepted := racing.Run(t, log, enrolment.Decider(), commands)
		got, err := tally(t, log)
		if got.places["go"] != len(accepted) {
			t.Errorf("%d were told that they have a place, %d have one", len(accepted), got.places["go"])
		}
		if guarded && (len(accepted) != capacity || err != nil) {
			t.Errorf("%d students in a course of %d: %v", len(accepted), capacity, err)
		}
		if !guarded && !errors.Is(err, errFull) {
			t.Errorf("%d students in a course of %d without the condition, error %v: the race was none", len(accepted), capacity, err)
		}
	})
}

// TestARaceForCourses has 40 students after places in five courses each, 200 enrolments. The 30 places are fewer than the students
// may take together, so all are taken: a course with a free place has rejected somebody who takes three others.
func TestARaceForCourses(t *testing.T) {
	t.Parallel()
	const students, courses, capacity = 40, 5, 6
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		var before, commands []any
		for c := range courses {
			before = append(before, offer{fmt.Sprint("c", c), capacity})
			for s := range students {
				commands = append(commands, enrol{fmt.Sprint("c", c), fmt.Sprint("s", s)})
			}
		}
		racing.Run(t, log, enrolment.Decider(), before)
		accepted := racing.Run(t, log, enrolment.Decider(), commands)
		_, err := tally(t, log)
		if guarded && (len(accepted) != courses*capacity || err != nil) {
			t.Errorf("%d of %d places are taken: %v", len(accepted), courses*capacity, err)
		}
		if !guarded && (!errors.Is(err, errFull) || !errors.Is(err, errBusy)) {
			t.Errorf("without the condition, error %v: the race was none", err)
		}
	})
}

// TestARaceOfStudents has 20 students enrol in ten courses each, which have room for all: the students' limit alone says no.
func TestARaceOfStudents(t *testing.T) {
	t.Parallel()
	const students, courses, capacity = 20, 10, 30
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		var before, commands []any
		for c := range courses {
			before = append(before, offer{fmt.Sprint("c", c), capacity})
			for s := range students {
				commands = append(commands, enrol{fmt.Sprint("c", c), fmt.Sprint("s", s)})
			}
		}
		racing.Run(t, log, enrolment.Decider(), before)
		accepted := racing.Run(t, log, enrolment.Decider(), commands)
		got, err := tally(t, log)
		if guarded && (len(accepted) != students*enrolment.CoursesPerStudent || err != nil) {
			t.Errorf("%d places are taken, by student %v: %v", len(accepted), got.courses, err)
		}
		if !guarded && !errors.Is(err, errBusy) {
			t.Errorf("without the condition, error %v: the race was none", err)
		}
	})
}

// TestARaceWithCapacity has the capacity of a course changed, up once and down, while students enrol and withdraw. The course is
// never fuller than it is large, at no event.
func TestARaceWithCapacity(t *testing.T) {
	t.Parallel()
	const early, late, capacity = 15, 40, 30
	racing.OnEachStore(t, func(t testing.TB, log carillon.Log, guarded bool) {
		racing.Run(t, log, enrolment.Decider(), []any{offer{"go", capacity}})
		var before []any
		commands := []any{changeCapacity{"go", capacity + 1}} // which always can be, sooner or later
		for s := range early {
			before = append(before, enrol{"go", fmt.Sprint("early", s)})
			commands = append(commands, withdraw{"go", fmt.Sprint("early", s)}, changeCapacity{"go", early + s})
		}
		for s := range late {
			commands = append(commands, enrol{"go", fmt.Sprint("late", s)})
		}
		racing.Run(t, log, enrolment.Decider(), before)
		racing.Run(t, log, enrolment.Decider(), commands)
		got, err := tally(t, log)
		if guarded && (got.changes == 0 || err != nil) {
			t.Errorf("%d changes of capacity, %d places taken: %v", got.changes, got.places["go"], err)
		}
		if !guarded && !errors.Is(err, errFull) {
			t.Errorf("without the condition, error %v: the race was none", err)
		}
	})
}

var (
	errFull = errors.New("a course has more students than places")
	errBusy = errors.New("a student takes too many courses")
)

// tallied is what a log comes to.
type tallied struct {
	places, courses map[string]int // taken, by course and by student
	changes         int            // of capacity
}

// tally counts through the log from its beginning. The error says which rules did not hold, after some event.
func tally(t testing.TB, log carillon.Log) (tallied, error) {
	t.Helper()
	got := tallied{places: make(map[string]int), courses: make(map[string]int)}
	capacity := make(map[string]int)
	var full, busy error
	for _, event := range racing.History(t, log) {
		var e struct {
			Course, Student string
			Capacity        int
		}
		if err := json.Unmarshal(event.Payload, &e); err != nil {
			t.Fatal(err)
		}
		switch event.Type {
		case "course.offered":
			capacity[e.Course] = e.Capacity
		case "course.capacity.changed":
			capacity[e.Course] = e.Capacity
			got.changes++
		case "student.enrolled":
			got.places[e.Course]++
			got.courses[e.Student]++
		case "student.withdrawn":
			got.places[e.Course]--
			got.courses[e.Student]--
		}
		if full == nil && got.places[e.Course] > capacity[e.Course] {
			full = fmt.Errorf("event %d: %s has %d students and %d places: %w",
				event.Position, e.Course, got.places[e.Course], capacity[e.Course], errFull)
		}
		if busy == nil && got.courses[e.Student] > enrolment.CoursesPerStudent {
			busy = fmt.Errorf("event %d: %s takes %d courses: %w", event.Position, e.Student, got.courses[e.Student], errBusy)
		}
	}
	return got, errors.Join(full, busy)
}
