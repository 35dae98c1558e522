package enrolment

import (
	"errors"

	"github.com/carillon-go/carillon"
)

// The commands.
type (
	// Offer offers a course with so many places.
	Offer struct {
		Course   string
		Capacity int
	}
	// ChangeCapacity gives a course more places, or fewer, down to those that are taken.
	ChangeCapacity struct {
		Course   string
		Capacity int
	}
	// Enrol gives a student a place in a course.
	Enrol struct{ Course, Student string }
	// Withdraw gives the place back.
	Withdraw struct{ Course, Student string }
)

// The events. Those about a student's place belong to two boundaries, that of the course and that of the student.
type (
	// Offered says that there is a course.
	Offered struct {
		Course   string `json:"course"`
		Capacity int    `json:"capacity"`
	}
	// CapacityChanged says how many places the course has from now on.
	CapacityChanged struct {
		Course   string `json:"course"`
		Capacity int    `json:"capacity"`
	}
	// Enrolled says that a place was taken.
	Enrolled struct {
		Course  string `json:"course"`
		Student string `json:"student"`
	}
	// Withdrawn says that a place came free.
	Withdrawn struct {
		Course  string `json:"course"`
		Student string `json:"student"`
	}
)

// Tags draws the command's boundary.
func (c Offer) Tags() []carillon.Tag { return []carillon.Tag{course(c.Course)} }

// Tags draws the command's boundary: the course's students count, whatever else they take.
func (c ChangeCapacity) Tags() []carillon.Tag { return []carillon.Tag{course(c.Course)} }

// Tags draws the command's boundary: the places taken in the course, and the courses the student takes.
func (c Enrol) Tags() []carillon.Tag { return []carillon.Tag{course(c.Course), student(c.Student)} }

// Tags draws the command's boundary: the student's events say whether there is a place to give back. Nobody else who enrols in the
// course stands in the way.
func (c Withdraw) Tags() []carillon.Tag { return []carillon.Tag{student(c.Student)} }

// Tags names the boundary that the event belongs to.
func (e Offered) Tags() []carillon.Tag { return []carillon.Tag{course(e.Course)} }

// Tags names the boundary that the event belongs to.
func (e CapacityChanged) Tags() []carillon.Tag { return []carillon.Tag{course(e.Course)} }

// Tags names the boundaries that the event belongs to.
func (e Enrolled) Tags() []carillon.Tag { return []carillon.Tag{course(e.Course), student(e.Student)} }

// Tags names the boundaries that the event belongs to.
func (e Withdrawn) Tags() []carillon.Tag { return []carillon.Tag{course(e.Course), student(e.Student)} }

// Validate checks the capacity.
func (c Offer) Validate() error { return check(c.Capacity) }

// Validate checks the capacity.
func (c ChangeCapacity) Validate() error { return check(c.Capacity) }

func course(id string) carillon.Tag { return carillon.NewTag("course", id) }

func student(id string) carillon.Tag { return carillon.NewTag("student", id) }

func check(capacity int) error {
	if capacity < 0 {
		return errors.New("capacity: it is 0 or more")
	}
	return nil
}
