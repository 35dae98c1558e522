package app_test

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

type (
	Reserve  struct{ Table, Name string } // a command
	Reserved struct{ Name string }        // an event
	Table    struct{ Taken bool }         // what a decision needs to know
	Guest    struct{ Name string }        // a row of a read model
	GuestAt  struct{ Table string }       // a query
)

func (c Reserve) Key() string { return c.Table }

func (t Table) Reserved(Reserved) Table { t.Taken = true; return t }

func (t Table) DecideReserve(c Reserve) ([]carillon.Event, error) {
	if t.Taken {
		return nil, carillon.Rejectf("table %s is taken", c.Table)
	}
	return carillon.Events(Reserved{Name: c.Name}), nil
}

func (g Guest) Reserved(e Reserved) Guest { g.Name = e.Name; return g }

// A service is a store and its parts. A program calls Run and is done; this one looks inside while it runs.
func Example() {
	guests := projection.Keyed("guests", projection.On("table.reserved", Guest.Reserved))
	restaurant := app.New(memory.Volatile(),
		sourcing.Aggregate("table",
			sourcing.On("table.reserved", Table.Reserved),
			sourcing.Decide("table.reserve", Reserve.Key, Table.DecideReserve)),
		guests,
		projection.Query("table.guest", guests, func(ctx context.Context, view projection.View[Guest], q GuestAt) (string, error) {
			entry, err := view.Get(ctx, q.Table)
			return entry.State.Name, err
		}))

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- restaurant.Run(ctx) }()

	running, err := restaurant.Running(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := running.Bus.Send(ctx, Reserve{Table: "7", Name: "Ann"})
	fmt.Println(done.Version, err)
	_, err = running.Bus.Send(ctx, Reserve{Table: "7", Name: "Bob"})
	fmt.Println(err)

	if err := running.Projections.Wait(ctx, "guests", done.Last); err != nil { // to read what was just written
		fmt.Println(err)
		return
	}
	guest, err := cqrs.Ask[string](ctx, running.Bus, GuestAt{Table: "7"})
	fmt.Println(guest, err)

	stop()
	fmt.Println(<-ended)
	// Output:
	// 1 <nil>
	// table 7 is taken
	// Ann <nil>
	// <nil>
}
