package sourcing_test

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/sourcing"
)

type (
	// A command, and the key of the aggregate it is for.
	BuyTicket struct{ Show, Name string }
	// An event.
	TicketBought struct{ Name string }
	// What a decision needs to know.
	Show struct{ Sold int }
)

func (c BuyTicket) Key() string { return c.Show }

// Bought evolves the state.
func (s Show) Bought(TicketBought) Show {
	s.Sold++
	return s
}

// DecideBuy decides.
func (s Show) DecideBuy(c BuyTicket) ([]carillon.Event, error) {
	if s.Sold == 2 {
		return nil, carillon.Rejectf("the show is sold out")
	}
	return carillon.Events(TicketBought{Name: c.Name}), nil
}

// An application binds deciders by itself. By hand it is one call.
func Example() {
	show := sourcing.Aggregate("show",
		sourcing.On("ticket.bought", Show.Bought),
		sourcing.Decide("ticket.buy", BuyTicket.Key, Show.DecideBuy))

	bound, err := sourcing.Bind(show, sourcing.Runtime{Log: eventlog.New(memory.Volatile().Log())})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"Ann", "Bob", "Cid"} {
		done, err := bound.Handle(context.Background(), &carillon.Message{Value: BuyTicket{Show: "hamlet", Name: name}})
		fmt.Println(name, done.Version, err)
	}
	// Output:
	// Ann 1 <nil>
	// Bob 2 <nil>
	// Cid 0 the show is sold out
}

type (
	// Rent rents a boat to a guest. The decision needs to know of both, so its boundary crosses their streams.
	Rent    struct{ Boat, Guest string }
	Rented  struct{ Boat, Guest string }
	Rentals struct{ Taken, Rowing map[string]bool }
)

// Tags names the boundaries that an event belongs to.
func (e Rented) Tags() []carillon.Tag {
	return []carillon.Tag{carillon.NewTag("boat", e.Boat), carillon.NewTag("guest", e.Guest)}
}

// A boundary holds every event that carries any of the command's tags: here those of the boat and those of the guest.
func ExampleBoundary() {
	rentals := sourcing.Boundary("rental",
		sourcing.On("boat.rented", func(r Rentals, e Rented) Rentals {
			return Rentals{Taken: also(r.Taken, e.Boat), Rowing: also(r.Rowing, e.Guest)}
		}),
		sourcing.Decide("boat.rent", func(c Rent) []carillon.Tag { return Rented(c).Tags() },
			func(r Rentals, c Rent) ([]carillon.Event, error) {
				if r.Taken[c.Boat] || r.Rowing[c.Guest] {
					return nil, carillon.Rejectf("%s cannot have %s", c.Guest, c.Boat)
				}
				return carillon.Events(Rented(c)), nil
			}))

	bound, err := sourcing.Bind(rentals, sourcing.Runtime{Log: eventlog.New(memory.Volatile().Log())})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range []Rent{{"argo", "ann"}, {"argo", "bob"}, {"beagle", "ann"}, {"beagle", "bob"}} {
		_, err := bound.Handle(context.Background(), &carillon.Message{Value: c})
		fmt.Println(c.Guest, c.Boat, err)
	}
	// Output:
	// ann argo <nil>
	// bob argo bob cannot have argo
	// ann beagle ann cannot have beagle
	// bob beagle <nil>
}

// also is a set with one name more. It leaves the one it is given as it is, as a fold has to.
func also(set map[string]bool, name string) map[string]bool {
	larger := map[string]bool{name: true}
	for each := range set {
		larger[each] = true
	}
	return larger
}

// Meter is an aggregate written as an object.
type Meter struct {
	sourcing.Recorder
	Total int
}

type (
	Read   struct{ Value int }
	Metred struct{ Value int }
)

// Metred changes the object, nothing else does.
func (m *Meter) Metred(e Metred) { m.Total = e.Value }

// Read decides and records.
func (m *Meter) Read(c Read) error {
	if c.Value < m.Total {
		return carillon.Rejectf("a meter does not run backwards from %d", m.Total)
	}
	m.Record(Metred{Value: c.Value})
	return nil
}

func ExampleRecorder() {
	meter := sourcing.Aggregate("meter",
		sourcing.Apply("meter.read", (*Meter).Metred),
		sourcing.Method("meter.take", func(Read) string { return "1" }, (*Meter).Read))

	bound, err := sourcing.Bind(meter, sourcing.Runtime{Log: eventlog.New(memory.Volatile().Log())})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, value := range []int{100, 130, 120} {
		_, err := bound.Handle(context.Background(), &carillon.Message{Value: Read{Value: value}})
		fmt.Println(value, err)
	}
	state, version, err := bound.Load(context.Background(), "1")
	fmt.Println(state.Total, version, err)
	// Output:
	// 100 <nil>
	// 130 <nil>
	// 120 a meter does not run backwards from 130
	// 130 2 <nil>
}
