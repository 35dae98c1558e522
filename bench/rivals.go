package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/sourcing"
)

// contestant carries out commands: it loads the customer's state, decides with [Customer.place] and keeps the event. It is safe
// for concurrent use as long as the commands of one customer come one after another.
type contestant interface {
	place(ctx context.Context, customer int, command PlaceOrder) error
	// orders counts the orders of some customers, as the store has them.
	orders(ctx context.Context, customers int) (int64, error)
	close() error
}

// rival is a contestant that can be started with nothing in its store.
type rival struct {
	name, what string
	start      func(ctx context.Context, w *workspace) (contestant, error)
}

// The rivals by name.
const (
	carillonName        = "Carillon"
	carillonLoadingName = "Carillon, no state kept"
	hallgrenNcruces     = "hallgren, ncruces"
	hallgrenModernc     = "hallgren, modernc"
	eventhorizonName    = "eventhorizon, memory"
	goesName            = "goes, memory"
)

// rivals holds the same commands against other libraries. Every customer has placed ten orders before the clock starts. Carillon and hallgren flush every event to SQLite before they answer.
// eventhorizon and goes have no store in a file: theirs are in memory and nothing of it is durable.
func rivals(_ context.Context, w *workspace) (*contest, error) {
	all := []rival{
		{carillonName, "cqrs.Bus and a decider, SQLite, synchronous=FULL", startCarillon(0)},
		{carillonLoadingName, "the same without hot states: every command loads its stream", startCarillon(-1)},
		{hallgrenNcruces, "v0.9.1, its SQLite store for a single writer, WAL, synchronous=FULL, on the ncruces driver", startHallgren("sqlite3")},
		{hallgrenModernc, "v0.9.1, the same on the modernc driver", startHallgren("sqlite")},
		{eventhorizonName, "v0.17.0, its store in memory: NOT DURABLE", startEventhorizon},
		{goesName, "v0.9.0, its store in memory: NOT DURABLE", startGoes},
	}
	c := &contest{}
	for _, people := range []audience{{callers: 1, customers: 100, before: 10}, {callers: many, customers: 10, before: 10}} {
		callers := people.callers
		for _, r := range all {
			c.sides = append(c.sides, side{
				name: commandsOf(r.name, callers), unit: "commands", what: r.what,
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return r.run(ctx, w, duration, people)
				},
			})
		}
		floor := 2.0
		if callers == many {
			floor = 8
		}
		of := func(name string) string { return commandsOf(name, callers) }
		c.claims = append(c.claims,
			claim{
				work: "commands, durable, " + crowdOf(callers), against: "hallgren, the better of two drivers", floor: floor,
				value: ratio(of(carillonName), of(hallgrenNcruces), of(hallgrenModernc)),
			},
			claim{
				work: "… loading every time", against: "hallgren, the better of two drivers",
				value: ratio(of(carillonLoadingName), of(hallgrenNcruces), of(hallgrenModernc)),
			},
			claim{work: "… durable", against: "eventhorizon, not durable", value: ratio(of(carillonName), of(eventhorizonName))},
			claim{work: "… durable", against: "goes, not durable", value: ratio(of(carillonName), of(goesName))})
	}
	return c, nil
}

func crowdOf(callers int) string {
	if callers == 1 {
		return "one caller"
	}
	return fmt.Sprintf("%d callers", callers)
}

func commandsOf(name string, callers int) string {
	return fmt.Sprintf("%s, %s", name, crowdOf(callers))
}

func (r rival) run(ctx context.Context, w *workspace, duration time.Duration, people audience) (result, error) {
	c, err := r.start(ctx, w)
	if err != nil {
		return result{}, err
	}
	got, all, err := people.send(duration, func(_, customer int, p PlaceOrder) error { return c.place(ctx, customer, p) })
	if err != nil {
		return result{}, errors.Join(err, c.close())
	}
	orders, err := c.orders(ctx, people.all())
	return got, errors.Join(err, checkOrders(orders, all), c.close())
}

// service is the product as a contestant.
type service struct {
	*product
	bus   *cqrs.Bus
	bound *sourcing.Bound[Customer]
}

// startCarillon starts the product; hotStates is as in [sourcing.Runtime].
func startCarillon(hotStates int) func(context.Context, *workspace) (contestant, error) {
	return func(ctx context.Context, w *workspace) (contestant, error) { return startService(ctx, w, hotStates) }
}

func startService(ctx context.Context, w *workspace, hotStates int) (*service, error) {
	p, err := openProduct(ctx, w.path("carillon.db"))
	if err != nil {
		return nil, err
	}
	return serve(p, hotStates)
}

// serve makes a service of the product, and closes it when that fails.
func serve(p *product, hotStates int) (*service, error) {
	bound, err := sourcing.Bind(customers(), sourcing.Runtime{Log: p.log, HotStates: hotStates})
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	contract, err := cqrs.NewContract(bound.Endpoints()...)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &service{product: p, bus: cqrs.NewBus(contract), bound: bound}, nil
}

func (s *service) place(ctx context.Context, _ int, command PlaceOrder) error {
	_, err := s.bus.Send(ctx, command)
	return err
}

func (s *service) orders(ctx context.Context, customers int) (int64, error) {
	var orders int64
	for i := range customers {
		state, version, err := s.bound.Load(ctx, customerKey(i))
		if err != nil {
			return 0, err
		}
		if version != state.Orders {
			return 0, fmt.Errorf("customer %d is at version %d with %d orders", i, version, state.Orders)
		}
		orders += state.Orders
	}
	return orders, s.check(ctx, 0, orders)
}
