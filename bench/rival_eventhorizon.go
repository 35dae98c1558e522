package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	eh "github.com/looplab/eventhorizon"
	"github.com/looplab/eventhorizon/aggregatestore/events"
	handler "github.com/looplab/eventhorizon/commandhandler/aggregate"
	"github.com/looplab/eventhorizon/eventstore/memory"
	"github.com/looplab/eventhorizon/uuid"
)

// horizonType is the type of the aggregate.
const horizonType eh.AggregateType = "customer"

// horizon carries out commands with github.com/looplab/eventhorizon, its aggregate command handler and its store in memory.
type horizon struct {
	store    eh.AggregateStore
	handler  *handler.CommandHandler
	identity []uuid.UUID
}

// horizonCustomer is a customer as that library wants it.
type horizonCustomer struct {
	*events.AggregateBase
	state Customer
}

// horizonCommand is a command as that library wants it.
type horizonCommand struct {
	ID    uuid.UUID
	Order PlaceOrder
}

// AggregateID names the aggregate.
func (c *horizonCommand) AggregateID() uuid.UUID { return c.ID }

// AggregateType names the aggregate's type.
func (c *horizonCommand) AggregateType() eh.AggregateType { return horizonType }

// CommandType names the command's type.
func (c *horizonCommand) CommandType() eh.CommandType { return placeOrder }

// HandleCommand decides.
func (c *horizonCustomer) HandleCommand(_ context.Context, command eh.Command) error {
	p, ok := command.(*horizonCommand)
	if !ok {
		return fmt.Errorf("command %T is not known", command)
	}
	event, err := c.state.place(p.Order)
	if err != nil {
		return err
	}
	c.AppendEvent(orderPlaced, &event, time.Now())
	return nil
}

// ApplyEvent folds an event.
func (c *horizonCustomer) ApplyEvent(_ context.Context, event eh.Event) error {
	e, ok := event.Data().(*OrderPlaced)
	if !ok {
		return fmt.Errorf("event %T is not known", event.Data())
	}
	c.state = c.state.Placed(*e)
	return nil
}

func startEventhorizon(context.Context, *workspace) (contestant, error) {
	eh.RegisterAggregate(func(id uuid.UUID) eh.Aggregate {
		return &horizonCustomer{AggregateBase: events.NewAggregateBase(horizonType, id)}
	})
	eh.RegisterEventData(orderPlaced, func() eh.EventData { return &OrderPlaced{} })
	h := &horizon{identity: identities()}
	inMemory, err := memory.NewEventStore()
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	if h.store, err = events.NewAggregateStore(inMemory); err != nil {
		return nil, errors.Join(err, h.close())
	}
	if h.handler, err = handler.NewCommandHandler(horizonType, h.store); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// identities are the customers' ids, for libraries that want UUIDs.
func identities() []uuid.UUID {
	ids := make([]uuid.UUID, many*streamsEach)
	for i := range ids {
		ids[i] = uuid.New()
	}
	return ids
}

func (h *horizon) place(ctx context.Context, customer int, command PlaceOrder) error {
	return h.handler.HandleCommand(ctx, &horizonCommand{ID: h.identity[customer], Order: command})
}

func (h *horizon) orders(ctx context.Context, customers int) (int64, error) {
	var orders int64
	for i := range customers {
		loaded, err := h.store.Load(ctx, horizonType, h.identity[i])
		if err != nil {
			return 0, err
		}
		customer, ok := loaded.(*horizonCustomer)
		if !ok {
			return 0, fmt.Errorf("aggregate %T is not known", loaded)
		}
		orders += customer.state.Orders
	}
	return orders, nil
}

// close takes back the registrations, which are the process's and must not be made twice.
func (h *horizon) close() error {
	eh.UnregisterAggregate(horizonType)
	eh.UnregisterEventData(orderPlaced)
	return nil
}
