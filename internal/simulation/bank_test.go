package simulation

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

// The application: accounts, each a stream that is never overdrawn; and enrolments, a boundary of a course and a student. Events say
// what their decision saw, so that one that rested on anything but the log is found out.

type account struct{ Balance, Moves int }

type move struct {
	Account string
	Amount  int
}

type moved struct{ Amount, Balance, Moves int }

type noted struct{ Moves int }

func (a account) moved(e moved) account {
	return account{Balance: a.Balance + e.Amount, Moves: a.Moves + 1}
}

func (a account) noted(noted) account { return a }

func (a account) decide(c move) ([]carillon.Event, error) {
	if a.Balance+c.Amount < 0 {
		return nil, carillon.Rejectf("the balance is %d", a.Balance)
	}
	happened := carillon.Events(moved{Amount: c.Amount, Balance: a.Balance, Moves: a.Moves})
	if c.Amount%3 == 0 {
		happened = append(happened, noted{Moves: a.Moves + 1})
	}
	return happened, nil
}

// The limits of enrolments.
const (
	placesPerCourse   = 2
	coursesPerStudent = 2
)

type place struct{ Course, Student string }

type places struct{ Taken []place }

type enrol struct{ Course, Student string }

type leave struct{ Course, Student string }

type enrolled struct {
	Course, Student  string
	InCourse, Taking int // before
}

type left struct{ Course, Student string }

func tagsOf(course, student string) []carillon.Tag {
	return []carillon.Tag{carillon.NewTag("course", course), carillon.NewTag("student", student)}
}

func (c enrol) Tags() []carillon.Tag    { return tagsOf(c.Course, c.Student) }
func (c leave) Tags() []carillon.Tag    { return tagsOf(c.Course, c.Student) }
func (e enrolled) Tags() []carillon.Tag { return tagsOf(e.Course, e.Student) }
func (e left) Tags() []carillon.Tag     { return tagsOf(e.Course, e.Student) }

func (p places) enrolled(e enrolled) places {
	return places{Taken: append(slices.Clip(p.Taken), place{e.Course, e.Student})}
}

func (p places) left(e left) places {
	return places{Taken: slices.DeleteFunc(slices.Clone(p.Taken), func(t place) bool { return t == place(e) })}
}

func (p places) count(met func(place) bool) (n int) {
	for _, t := range p.Taken {
		if met(t) {
			n++
		}
	}
	return n
}

func (p places) enrol(c enrol) ([]carillon.Event, error) {
	in := p.count(func(t place) bool { return t.Course == c.Course })
	taking := p.count(func(t place) bool { return t.Student == c.Student })
	switch {
	case slices.Contains(p.Taken, place(c)):
		return nil, carillon.Rejectf("enrolled already")
	case in >= placesPerCourse || taking >= coursesPerStudent:
		return nil, carillon.Rejectf("%d in the course, %d taken", in, taking)
	default:
		return carillon.Events(enrolled{c.Course, c.Student, in, taking}), nil
	}
}

func (p places) leave(c leave) ([]carillon.Event, error) {
	if !slices.Contains(p.Taken, place(c)) {
		return nil, carillon.Rejectf("not enrolled")
	}
	return carillon.Events(left(c)), nil
}

func accounts() *sourcing.Decider[account] {
	return sourcing.Aggregate("account",
		sourcing.On("account.moved", account.moved),
		sourcing.On("account.noted", account.noted),
		sourcing.Decide("account.move", func(c move) string { return c.Account }, account.decide),
		sourcing.SnapshotEvery[account](3))
}

func enrolments() *sourcing.Decider[places] {
	return sourcing.Boundary("enrolment",
		sourcing.On("student.enrolled", places.enrolled),
		sourcing.On("student.left", places.left),
		sourcing.Decide("student.enrol", enrol.Tags, places.enrol),
		sourcing.Decide("student.leave", leave.Tags, places.leave))
}

// tally is a row: a fold that a repeated, missed or misplaced event changes.
type tally struct {
	Events int
	Chain  uint32
}

func (t tally) and(text string) tally {
	for _, b := range []byte(text) {
		t.Chain = (t.Chain ^ uint32(b)) * 16777619
	}
	return tally{Events: t.Events + 1, Chain: t.Chain}
}

// The names of the projections and the reactor, and into how many segments they are split.
const (
	balances, balancesSegments = "balances", 3
	rolls, rollsSegments       = "rolls", 1
	notices, noticesSegments   = "notices", 2
	// noticesAfter is the position behind which the reactor begins.
	noticesAfter = 3
)

// poison is an amount that a handler does not bear that has not been mended.
const poison = -2

var errPoison = errors.New("poisoned")

func balancesModel(poisoned bool) *projection.Model[tally] {
	return projection.Keyed(balances, projection.On("account.moved", func(t tally, e moved) tally {
		if poisoned && e.Amount == poison {
			panic(errPoison)
		}
		return t.and(fmt.Sprint(e))
	}))
}

func rollsModel() *projection.Model[tally] {
	split := func(course, student, text string) iter.Seq2[string, string] {
		return func(yield func(string, string) bool) {
			_ = yield("course/"+course, text+student) && yield("student/"+student, text+course)
		}
	}
	return projection.Keyed(rolls,
		projection.Each("student.enrolled", func(e enrolled) iter.Seq2[string, string] { return split(e.Course, e.Student, "+") }, tally.and),
		projection.Each("student.left", func(e left) iter.Seq2[string, string] { return split(e.Course, e.Student, "-") }, tally.and))
}
