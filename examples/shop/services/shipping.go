package services

import (
	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

// ShipOrder sends the goods of an order that was paid.
type ShipOrder struct {
	OrderID string `json:"order_id"`
}

// Key is the order's number.
func (c ShipOrder) Key() string { return c.OrderID }

// OrderShipped says that the goods of an order were sent.
type OrderShipped struct {
	OrderID string `json:"order_id"`
}

// Shipment is what decisions about a shipment need to know.
type Shipment struct{ Sent bool }

// WhenShipped evolves the shipment.
func (Shipment) WhenShipped(OrderShipped) Shipment { return Shipment{Sent: true} }

// DecideShip sends the goods once.
func (s Shipment) DecideShip(c ShipOrder) ([]carillon.Event, error) {
	if s.Sent {
		return nil, carillon.Rejectf("order %s was shipped already", c.OrderID)
	}
	return carillon.Events(OrderShipped(c)), nil
}

// Sent is the row of all shipments.
type Sent struct {
	Shipments int64 `json:"shipments"`
}

// Shipped counts a shipment.
func (s Sent) Shipped(OrderShipped) Sent { s.Shipments++; return s }

// Shipping sends the goods of every order that was paid, once.
func Shipping(topics Topics) []carillon.Describer {
	return []carillon.Describer{
		sourcing.Aggregate("shipment",
			sourcing.On("order.shipped", Shipment.WhenShipped),
			sourcing.Decide("order.ship", ShipOrder.Key, Shipment.DecideShip)),
		messaging.Consume("shipping", topics.Payments,
			messaging.Send(func(e PaymentMade) any { return ShipOrder{OrderID: e.OrderID} })),
		messaging.Forward(topics.Shipments),
		projection.Keyed("sent", projection.By("order.shipped", func(OrderShipped) string { return everything }, Sent.Shipped)),
	}
}
