package eventtest_test

import (
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventtest"
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

// A decider's test reads as a sentence and needs no store.
func ExampleDecider() {
	seats := sourcing.Aggregate("seat",
		sourcing.On("seat.reserved", Seat.Reserved),
		sourcing.Decide("seat.reserve", Reserve.Key, Seat.DecideReserve))

	_ = func(t *testing.T) {
		eventtest.Decider(t, seats).
			When(Reserve{Seat: "7B", Guest: "Ann"}).
			Then(Reserved{Guest: "Ann"})

		eventtest.Decider(t, seats).
			Given(Reserved{Guest: "Ann"}).
			When(Reserve{Seat: "7B", Guest: "Bob"}).
			ThenRejected("seat 7B is taken")
	}
	// Output:
}
