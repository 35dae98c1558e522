package projection_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/projection"
)

type (
	TicketSold struct {
		Buyer string
		Seats []string
	}
	// Buyer is a row of a read model.
	Buyer struct{ Seats int }
)

// An application runs its projections by itself. By hand it takes an engine.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := memory.Volatile()
	log := eventlog.New(store.Log())

	buyers := projection.Keyed("buyers", projection.By("ticket.sold",
		func(e TicketSold) string { return e.Buyer },
		func(b Buyer, e TicketSold) Buyer { b.Seats += len(e.Seats); return b }))
	engine := projection.NewEngine(log, store)
	if err := engine.Add(buyers); err != nil {
		fmt.Println(err)
		return
	}
	stopped := make(chan error)
	go func() { stopped <- engine.Run(ctx) }()

	for _, payload := range []string{`{"Buyer":"Ann","Seats":["1A","1B"]}`, `{"Buyer":"Bob","Seats":["2A"]}`, `{"Buyer":"Ann","Seats":["3A"]}`} {
		done, err := log.Append(ctx, carillon.Append{
			Stream: "show-hamlet", Expect: carillon.AnyVersion(),
			Events: []carillon.Message{{Type: "ticket.sold", Payload: []byte(payload)}},
		})
		if err == nil {
			err = engine.Wait(ctx, "buyers", done.Last) // to read what was just written
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	for entry, err := range projection.NewView(buyers, store.ReadModels(), codec.JSON()).All(ctx) {
		fmt.Println(entry.Key, entry.State.Seats, err)
	}
	stop()
	fmt.Println(<-stopped)
	// Output:
	// Ann 3 <nil>
	// Bob 1 <nil>
	// context canceled
}

// One event may touch several rows.
func ExampleEach() {
	seats := projection.Keyed("seats", projection.Each("ticket.sold",
		func(e TicketSold) iter.Seq2[string, string] {
			return func(yield func(seat, buyer string) bool) {
				for _, seat := range e.Seats {
					if !yield(seat, e.Buyer) {
						return
					}
				}
			}
		},
		func(_ string, buyer string) string { return buyer }))

	rows := map[string]string{}
	sold := carillon.Recorded{Message: carillon.Message{Type: "ticket.sold", Payload: []byte(`{"Buyer":"Ann","Seats":["1A","1B"]}`)}}
	err := seats.Fold(codec.JSON(), rows, sold)
	fmt.Println(rows, err)
	// Output: map[1A:Ann 1B:Ann] <nil>
}

// A reactor says where it starts. From now on it is called with each event at least once.
func ExampleReact() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := memory.Volatile()
	log := eventlog.New(store.Log())
	sold := carillon.Append{Events: []carillon.Message{{Type: "ticket.sold", Payload: []byte(`{"Buyer":"Ann"}`)}}}

	engine := projection.NewEngine(log, store)
	err := engine.Add(projection.React("mails", projection.FromBeginning(),
		projection.Handle("ticket.sold", func(_ context.Context, at carillon.Recorded, e TicketSold) error {
			fmt.Println("a mail to", e.Buyer, "about event", at.Position)
			return nil
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	stopped := make(chan error)
	go func() { stopped <- engine.Run(ctx) }()
	done, err := log.Append(ctx, sold)
	if err == nil {
		err = engine.Wait(ctx, "mails", done.Last)
	}
	stop()
	fmt.Println(err, <-stopped)
	// Output:
	// a mail to Ann about event 1
	// <nil> context canceled
}
