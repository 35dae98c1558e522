package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/carillon-go/carillon/sourcing"
)

// The sides of the contest on commands.
const (
	handCommandOne     = "command, 1 caller: by hand"
	productCommandOne  = "command, 1 caller: Carillon"
	handCommandMany    = "command, 64 callers: by hand"
	productCommandMany = "command, 64 callers: Carillon"
)

// commands holds commands end to end, with their states in memory, against the same by hand. Every run starts with an empty file.
func commands(_ context.Context, w *workspace) (*contest, error) {
	const (
		productWhat = "cqrs.Bus, a decider of package sourcing with its hot states, eventlog"
		handWhat    = "states in a map, decide, encode as JSON, append with the expected version; "
	)
	return &contest{
		sides: []side{
			{
				name: handCommandOne, unit: "commands", what: handWhat + "one event a transaction",
				run: func(_ context.Context, duration time.Duration) (result, error) { return handCommands(w, duration, 1) },
			},
			{
				name: productCommandOne, unit: "commands", what: productWhat,
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return productCommands(ctx, w, duration, 1)
				},
			},
			{
				name: handCommandMany, unit: "commands", what: handWhat + "group commit through a channel",
				run: func(_ context.Context, duration time.Duration) (result, error) {
					return handCommands(w, duration, many)
				},
			},
			{
				name: productCommandMany, unit: "commands", what: productWhat,
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return productCommands(ctx, w, duration, many)
				},
			},
		},
		claims: []claim{
			{
				work: "command end to end, state cached, one caller", against: "the same by hand, one event a transaction",
				floor: 0.85, value: ratio(productCommandOne, handCommandOne),
			},
			{
				work: "command end to end, state cached, 64 callers", against: "the same by hand, group commit",
				floor: 0.75, value: ratio(productCommandMany, handCommandMany),
			},
		},
	}, nil
}

// audience is who sends commands: so many callers, each with so many customers of its own in turn, each of which has placed so
// many orders before the clock starts.
type audience struct {
	callers, customers, before int
}

// audienceOf has a hundred customers for each caller, whose states are in memory once each has placed an order.
func audienceOf(callers int) audience {
	return audience{callers: callers, customers: streamsEach, before: 1}
}

// all is how many customers there are.
func (a audience) all() int { return a.callers * a.customers }

// send sends commands and times those after the first of each customer. all is how many were sent altogether.
func (a audience) send(duration time.Duration, place func(caller, customer int, p PlaceOrder) error) (got result, all int64, err error) {
	nth := func(caller, n int) error {
		customer := caller*a.customers + n%a.customers
		return place(caller, customer, commandFor(n, customerKey(customer)))
	}
	first := a.customers * a.before
	err = together(a.callers, func(caller int) error {
		for n := range first {
			if err := nth(caller, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return result{}, 0, err
	}
	got, err = crowd(a.callers, duration, func(caller, n int) error { return nth(caller, first+n) })
	return got, got.done + int64(a.callers*first), err
}

// handShop keeps the state of every customer in memory and appends what it decides. It is safe for concurrent use as long as
// the commands of one customer come one after another.
type handShop struct {
	append func(caller int, stream string, version int64, payload []byte) error

	mu     sync.Mutex
	states map[string]handState
}

type handState struct {
	Customer
	version int64
}

func (s *handShop) place(caller int, p PlaceOrder) error {
	s.mu.Lock()
	state := s.states[p.Customer]
	s.mu.Unlock()
	event, err := state.place(p)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if err := s.append(caller, customerStream(p.Customer), state.version+1, payload); err != nil {
		return err
	}
	state.Customer, state.version = state.Placed(event), state.version+1
	s.mu.Lock()
	s.states[p.Customer] = state
	s.mu.Unlock()
	return nil
}

func handCommands(w *workspace, duration time.Duration, callers int) (result, error) {
	log, err := openHandLog(w.path("hand.db"))
	if err != nil {
		return result{}, err
	}
	one, finish := func(_ int, stream string, version int64, payload []byte) error {
		return log.append(stream, version, payload)
	}, func() {}
	if callers > 1 {
		group := startHandGroup(log.write)
		one, finish = group.appender(), group.close
	}
	got, all, err := (&handShop{append: one, states: make(map[string]handState)}).run(duration, callers)
	finish()
	return got, errors.Join(err, checkHand(log, all), log.close())
}

// run sends commands and compares the states with what was acknowledged.
func (s *handShop) run(duration time.Duration, callers int) (got result, all int64, err error) {
	got, all, err = audienceOf(callers).send(duration, func(caller, _ int, p PlaceOrder) error { return s.place(caller, p) })
	var orders int64
	for _, state := range s.states {
		orders += state.Orders
	}
	return got, all, errors.Join(err, checkOrders(orders, all))
}

func checkOrders(counted, acknowledged int64) error {
	if counted != acknowledged {
		return fmt.Errorf("%d commands were acknowledged, the states count %d orders", acknowledged, counted)
	}
	return nil
}

// customers is the decider of every case.
func customers(parts ...sourcing.Part[Customer]) *sourcing.Decider[Customer] {
	return sourcing.Aggregate("customer", append(parts,
		sourcing.On(orderPlaced, Customer.Placed),
		sourcing.Decide(placeOrder, PlaceOrder.Key, Customer.DecidePlace))...)
}

// productCommands sends commands to the product.
func productCommands(ctx context.Context, w *workspace, duration time.Duration, callers int) (result, error) {
	return rival{start: startCarillon(0)}.run(ctx, w, duration, audienceOf(callers))
}
