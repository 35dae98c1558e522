package services

import (
	"context"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/messaging"
)

// Reserved is how many units of a product are reserved for orders; of all together also for how many orders there ever were any.
type Reserved struct {
	Units  int64 `json:"units"`
	Orders int64 `json:"orders,omitempty"`
}

// Inventory keeps what is reserved of each product, in the transaction that notes an order as handled.
func Inventory(topics Topics) []carillon.Describer {
	return []carillon.Describer{
		messaging.Consume("inventory", topics.Orders,
			messaging.On(func(_ context.Context, tx *messaging.Tx, e shop.OrderPlaced) error { return reserve(tx, e.Lines, 1) }),
			messaging.On(func(_ context.Context, tx *messaging.Tx, e shop.OrderCancelled) error {
				return reserve(tx, e.Lines, -1)
			})),
	}
}

// reserve reserves the units of an order, or gives them back.
func reserve(tx *messaging.Tx, lines []shop.Line, sign int64) error {
	units := make(map[string]int64, len(lines)+1)
	units[everything] = 0
	for _, line := range lines {
		units[line.StockCode] += sign * line.Quantity
		units[everything] += sign * line.Quantity
	}
	for code, change := range units {
		reserved, _, err := messaging.Load[Reserved](tx, code)
		if err != nil {
			return err
		}
		reserved.Units += change
		if code == everything && sign > 0 {
			reserved.Orders++
		}
		if err := messaging.Save(tx, code, reserved); err != nil {
			return err
		}
	}
	return nil
}
