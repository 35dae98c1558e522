package services

import (
	"context"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/messaging"
)

// Notified counts the customers who were told that their goods are on the way.
type Notified struct {
	Notifications int64 `json:"notifications"`
}

// Notifications tells the customer of every shipment, once.
func Notifications(topics Topics) []carillon.Describer {
	return []carillon.Describer{
		messaging.Consume("notifications", topics.Shipments,
			messaging.On(func(_ context.Context, tx *messaging.Tx, _ OrderShipped) error {
				notified, _, err := messaging.Load[Notified](tx, everything)
				if err != nil {
					return err
				}
				notified.Notifications++
				return messaging.Save(tx, everything, notified)
			})),
	}
}
