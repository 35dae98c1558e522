// Package services are the shop as services that talk through topics: orders, payments, inventory, shipping and notifications.
//
//	orders ──orders──▶ payments ──payments──▶ shipping ──shipments──▶ notifications
//	   └──────────────▶ inventory
//
// They run in one process on one store, or each in a process on a store of its own, with a broker between them: what they are made of is
// the same.
package services

import (
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/messaging"
)

// Topics are what the services agree on.
type Topics struct {
	Orders, Payments, Shipments *messaging.Topic
}

// NewTopics makes the topics.
func NewTopics() Topics {
	return Topics{
		Orders:    messaging.NewTopic("orders", messaging.Event[shop.OrderPlaced]("order.placed"), messaging.Event[shop.OrderCancelled]("order.cancelled")),
		Payments:  messaging.NewTopic("payments", messaging.Event[PaymentMade]("payment.made")),
		Shipments: messaging.NewTopic("shipments", messaging.Event[OrderShipped]("order.shipped")),
	}
}
