package styles

import (
	"context"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/messaging"
)

// StatefulStreaming keeps a running total for each country and day. The total, and that the message was handled, commit together: a
// message that comes again changes nothing.
func StatefulStreaming(orders *messaging.Topic) []carillon.Describer {
	return []carillon.Describer{
		messaging.Consume("totals", orders,
			messaging.On(func(_ context.Context, tx *messaging.Tx, e shop.OrderPlaced) error {
				return change(tx, e.Posted, func(s Sales) Sales { return s.Placed(e) })
			}),
			messaging.On(func(_ context.Context, tx *messaging.Tx, e shop.OrderCancelled) error {
				return change(tx, e.Posted, func(s Sales) Sales { return s.Cancelled(e) })
			})),
	}
}

// change changes the total that a document counts in.
func change(tx *messaging.Tx, p shop.Posted, by func(Sales) Sales) error {
	sales, _, err := messaging.Load[Sales](tx, keyOf(p))
	if err != nil {
		return err
	}
	return messaging.Save(tx, keyOf(p), by(sales))
}
