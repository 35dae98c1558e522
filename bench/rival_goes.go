package main

import (
	"context"

	"github.com/google/uuid"
	"github.com/modernice/goes/aggregate"
	"github.com/modernice/goes/aggregate/repository"
	"github.com/modernice/goes/event"
	"github.com/modernice/goes/event/eventstore"
	"github.com/modernice/goes/event/query"
	"github.com/modernice/goes/helper/streams"
)

// goes carries out commands with github.com/modernice/goes, its repository and its store in memory.
type goes struct {
	store     event.Store
	customers *repository.TypedRepository[*goesCustomer]
	identity  []uuid.UUID
}

// goesCustomer is a customer as that library wants it.
type goesCustomer struct {
	*aggregate.Base
	state Customer
}

func newGoesCustomer(id uuid.UUID) *goesCustomer {
	c := &goesCustomer{Base: aggregate.New("customer", id)}
	event.ApplyWith(c, func(e event.Of[OrderPlaced]) { c.state = c.state.Placed(e.Data()) }, orderPlaced)
	return c
}

func startGoes(context.Context, *workspace) (contestant, error) {
	store := eventstore.New()
	return &goes{store: store, customers: repository.Typed(repository.New(store), newGoesCustomer), identity: identities()}, nil
}

func (g *goes) place(ctx context.Context, customer int, command PlaceOrder) error {
	return g.customers.Use(ctx, g.identity[customer], func(c *goesCustomer) error {
		e, err := c.state.place(command)
		if err != nil {
			return err
		}
		aggregate.Next(c, orderPlaced, e)
		return nil
	})
}

// orders counts events: loading every customer would take minutes, since each load looks at every event of the store.
func (g *goes) orders(ctx context.Context, _ int) (int64, error) {
	found, errs, err := g.store.Query(ctx, query.New(query.Name(orderPlaced)))
	if err != nil {
		return 0, err
	}
	var orders int64
	err = streams.Walk(ctx, func(event.Event) error {
		orders++
		return nil
	}, found, errs)
	return orders, err
}

func (g *goes) close() error { return nil }
