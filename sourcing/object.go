package sourcing

import (
	"github.com/carillon-go/carillon"
)

// Recorder is embedded in a struct whose methods decide and record, for those who think of an aggregate as an object:
//
//	type Account struct {
//		sourcing.Recorder
//		Open bool
//	}
//
//	func (a *Account) Opened(e Opened) { a.Open = true }
//
//	func (a *Account) OpenAs(c OpenAccount) error {
//		if a.Open {
//			return carillon.Rejectf("open already")
//		}
//		a.Record(Opened{Owner: c.Owner})
//		return nil
//	}
//
// A method works on a copy of the state. What the copy shares with it, such as a map, the method must not change.
type Recorder struct {
	recorded []carillon.Event
	apply    func(carillon.Event)
}

// Record adds an event to the outcome of the method and applies it to the object.
func (r *Recorder) Record(event carillon.Event) {
	r.recorded = append(r.recorded, event)
	if r.apply != nil {
		r.apply(event)
	}
}

func (r *Recorder) recorder() *Recorder { return r }

// object is a pointer to a struct that embeds a [Recorder].
type object[A any] interface {
	*A
	recorder() *Recorder
}

// Apply is [On] for a method that changes its receiver.
func Apply[A, E any](event string, apply func(*A, E)) Part[A] {
	return On(event, func(state A, e E) A {
		apply(&state, e)
		return state
	})
}

// Method is [Decide] for a method that records events on its receiver.
func Method[A, C any, P object[A]](command string, key func(C) string, method func(P, C) error) Part[A] {
	return func(d *Decider[A]) {
		Decide(command, key, func(state A, c C) ([]carillon.Event, error) {
			receiver := P(&state)
			recorder := receiver.recorder()
			*recorder = Recorder{apply: func(event carillon.Event) {
				kept := *recorder
				state = d.Evolve(state, event)
				*recorder = kept
			}}
			err := method(receiver, c)
			recorded := recorder.recorded
			*recorder = Recorder{}
			return recorded, err
		})(d)
	}
}
