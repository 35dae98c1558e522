package services

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/messaging"
)

// Names lists the services in the order in which messages pass them.
func Names() []string {
	return []string{"orders", "payments", "inventory", "shipping", "notifications"}
}

// Beside returns what the orders service has beside the shop itself: it tells the others about orders.
func Beside(topics Topics) []carillon.Describer {
	return []carillon.Describer{messaging.Forward(topics.Orders)}
}

// Of returns the parts of a service other than orders.
func Of(name string, topics Topics) ([]carillon.Describer, error) {
	switch name {
	case "payments":
		return Payments(topics), nil
	case "inventory":
		return Inventory(topics), nil
	case "shipping":
		return Shipping(topics), nil
	case "notifications":
		return Notifications(topics), nil
	default:
		return nil, fmt.Errorf("service %q: there are %v: %w", name, Names(), carillon.ErrNotFound)
	}
}

// All returns the parts of all services, for one process.
func All(topics Topics) []carillon.Describer {
	parts := Beside(topics)
	for _, more := range [][]carillon.Describer{Payments(topics), Inventory(topics), Shipping(topics), Notifications(topics)} {
		parts = append(parts, more...)
	}
	return parts
}

// Progress is how far the services have come. A service knows its own figures.
type Progress struct {
	Payments      int64        `json:"payments"`
	Paid          money.Amount `json:"paid"`
	Shipments     int64        `json:"shipments"`
	Reservations  int64        `json:"reservations"`
	Units         int64        `json:"units_reserved"`
	Notifications int64        `json:"notifications"`
}

// ProgressOf reads how far the services have come that share a running service's store.
func ProgressOf(ctx context.Context, running *app.Running) (Progress, error) {
	return ProgressIn(ctx, running.Store)
}

// ProgressIn reads how far the services have come whose store this is.
func ProgressIn(ctx context.Context, store carillon.Store) (Progress, error) {
	paid, err := row[Paid](ctx, store, "paid")
	if err != nil {
		return Progress{}, err
	}
	sent, err := row[Sent](ctx, store, "sent")
	if err != nil {
		return Progress{}, err
	}
	kept := messaging.NewEngine(store)
	reserved, err := messaging.Kept[Reserved](ctx, kept, "inventory", everything)
	if err != nil {
		return Progress{}, err
	}
	notified, err := messaging.Kept[Notified](ctx, kept, "notifications", everything)
	return Progress{
		Payments: paid.Payments, Paid: paid.Sum, Shipments: sent.Shipments, Reservations: reserved.Orders, Units: reserved.Units,
		Notifications: notified.Notifications,
	}, err
}

// row reads the only row of a read model, which a store may not have.
func row[S any](ctx context.Context, store carillon.Store, model string) (S, error) {
	var state S
	found, _, err := store.ReadModels().Row(ctx, carillon.ModelRef{Name: model}, everything)
	if errors.Is(err, carillon.ErrNotFound) {
		return state, nil
	}
	if err == nil {
		err = codec.JSON().Decode(found.Value, &state)
	}
	return state, err
}
