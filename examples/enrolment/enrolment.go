// Package enrolment lets students enrol in courses: a course has a capacity, a student takes a limited number of courses.
//
// The boundary of an enrolment is the course and the student: no event about either may come between the decision and its append.
//
// A stream alone cannot do it. A course's stream knows how many places are taken, and not what else its students take; a student's
// stream knows the reverse. The decision needs both, and its event changes both. With two streams, one half has to be taken back when
// the other fails, and until then a place is taken that nobody has. With tags it is one decision and one event, and two enrolments
// conflict if they are in the same course or by the same student.
package enrolment

import (
	"maps"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// CoursesPerStudent is how many courses a student takes at most.
const CoursesPerStudent = 3

// Places is what decisions need to know. A boundary holds all that happened to its course and to its student, and of other courses
// and students only where they meet these: count for the command's own course and student, nothing else.
type Places struct {
	// Capacity is by course.
	Capacity map[string]int
	// Taken holds the places, in the order in which they were taken.
	Taken []Place
}

// Place is a student's place in a course.
type Place struct{ Course, Student string }

// Offered evolves the places.
func (p Places) Offered(e Offered) Places { return p.holding(e.Course, e.Capacity) }

// CapacityChanged evolves the places.
func (p Places) CapacityChanged(e CapacityChanged) Places { return p.holding(e.Course, e.Capacity) }

// Enrolled evolves the places.
func (p Places) Enrolled(e Enrolled) Places {
	p.Taken = append(slices.Clip(p.Taken), Place(e))
	return p
}

// Withdrawn evolves the places.
func (p Places) Withdrawn(e Withdrawn) Places {
	p.Taken = slices.DeleteFunc(slices.Clone(p.Taken), func(place Place) bool { return place == Place(e) })
	return p
}

// DecideOffer decides whether there may be a course of this name.
func (p Places) DecideOffer(c Offer) ([]carillon.Event, error) {
	if _, offered := p.Capacity[c.Course]; offered {
		return nil, carillon.Rejectf("course %s is offered already", c.Course)
	}
	return carillon.Events(Offered(c)), nil
}

// DecideChangeCapacity decides whether the course may have so many places. Nobody loses theirs.
func (p Places) DecideChangeCapacity(c ChangeCapacity) ([]carillon.Event, error) {
	capacity, offered := p.Capacity[c.Course]
	taken := p.in(c.Course)
	switch {
	case !offered:
		return nil, carillon.Rejectf("there is no course %s", c.Course)
	case c.Capacity < taken:
		return nil, carillon.Rejectf("course %s has %d students", c.Course, taken)
	case c.Capacity == capacity:
		return nil, nil
	default:
		return carillon.Events(CapacityChanged(c)), nil
	}
}

// DecideEnrol decides whether a student may have a place.
func (p Places) DecideEnrol(c Enrol) ([]carillon.Event, error) {
	capacity, offered := p.Capacity[c.Course]
	switch {
	case !offered:
		return nil, carillon.Rejectf("there is no course %s", c.Course)
	case slices.Contains(p.Taken, Place(c)):
		return nil, carillon.Rejectf("student %s is in course %s already", c.Student, c.Course)
	case p.in(c.Course) >= capacity:
		return nil, carillon.Rejectf("course %s is full", c.Course)
	case p.of(c.Student) >= CoursesPerStudent:
		return nil, carillon.Rejectf("student %s takes %d courses", c.Student, CoursesPerStudent)
	default:
		return carillon.Events(Enrolled(c)), nil
	}
}

// DecideWithdraw gives a place back, if there is one.
func (p Places) DecideWithdraw(c Withdraw) ([]carillon.Event, error) {
	if !slices.Contains(p.Taken, Place(c)) {
		return nil, nil
	}
	return carillon.Events(Withdrawn(c)), nil
}

// Decider returns the decider, for an application or a test.
func Decider() *sourcing.Decider[Places] {
	return sourcing.Boundary("enrolment",
		sourcing.On("course.offered", Places.Offered),
		sourcing.On("course.capacity.changed", Places.CapacityChanged),
		sourcing.On("student.enrolled", Places.Enrolled),
		sourcing.On("student.withdrawn", Places.Withdrawn),
		sourcing.Decide("course.offer", Offer.Tags, Places.DecideOffer),
		sourcing.Decide("course.capacity.change", ChangeCapacity.Tags, Places.DecideChangeCapacity),
		sourcing.Decide("student.enrol", Enrol.Tags, Places.DecideEnrol),
		sourcing.Decide("student.withdraw", Withdraw.Tags, Places.DecideWithdraw))
}

// in counts the places taken in a course.
func (p Places) in(course string) int {
	return p.count(func(place Place) bool { return place.Course == course })
}

// of counts the places of a student.
func (p Places) of(student string) int {
	return p.count(func(place Place) bool { return place.Student == student })
}

func (p Places) count(which func(Place) bool) (n int) {
	for _, place := range p.Taken {
		if which(place) {
			n++
		}
	}
	return n
}

// holding gives a course a capacity. Folds change nothing they are given.
func (p Places) holding(course string, capacity int) Places {
	larger := map[string]int{}
	maps.Copy(larger, p.Capacity)
	larger[course] = capacity
	p.Capacity = larger
	return p
}
