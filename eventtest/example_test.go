package eventtest_test

import (
	"fmt"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

type Reserve struct{ Seat, Guest string }

type Reserved struct{ Guest string }

type Seat struct{ Guest string }

func (c Reserve) Key() string { return c.Seat }

func (s Seat) Reserved(e Reserved) Seat { s.Guest = e.Guest; return s }

func (s Seat) DecideReserve(c Reserve) ([]carillon.Event, error) {
	if s.Guest != "" {
		return nil, carillon.Rejectf("seat %s is taken", c.Seat)
	}
	return carillon.Events(Reserved{Guest: c.Guest}), nil
}

// printing stands for the *testing.T of a test: it prints what is reported.
type printing struct{ testing.TB }

func (printing) Helper() {}

func (printing) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// A decider's test reads as a sentence. The last one here does not hold.
func ExampleDecider() {
	t := printing{}
	seat := sourcing.Aggregate("seat",
		sourcing.On("seat.reserved", Seat.Reserved),
		sourcing.Decide("seat.reserve", Reserve.Key, Seat.DecideReserve))

	eventtest.Decider(t, seat).
		When(Reserve{Seat: "7B", Guest: "Ann"}).
		Then(Reserved{Guest: "Ann"})

	eventtest.Decider(t, seat).
		Given(Reserved{Guest: "Ann"}).
		When(Reserve{Seat: "7B", Guest: "Bob"}).
		ThenRejected("seat 7B is taken")

	eventtest.Decider(t, seat).
		When(Reserve{Seat: "7B", Guest: "Ann"}).
		Then(Reserved{Guest: "Bob"})
	// Output:
	// the command came to other events
	//   (- want, + got)
	//     eventtest_test.Reserved{
	//   -   Guest: "Bob",
	//   +   Guest: "Ann",
	//     }
}

// A projection's test says which rows come of which events.
func ExampleProjection() {
	t := printing{}
	seats := projection.Keyed("seats", projection.On("seat.reserved", Seat.Reserved))

	eventtest.Projection(t, seats).
		Given(
			eventtest.At("seat-7B", Reserved{Guest: "Ann"}),
			eventtest.At("seat-7C", Reserved{Guest: "Bob"})).
		ThenRow("7B", Seat{Guest: "Ann"}).
		ThenRow("7D", Seat{Guest: "Cid"})
	// Output: there is no row "7D"
}
