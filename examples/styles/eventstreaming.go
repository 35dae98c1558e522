package styles

import (
	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/projection"
)

// EventStreaming replays the log of orders into a view. The rule is a pure function of the events, so the view can be made anew at any
// time, and is when the rule has changed.
func EventStreaming() []carillon.Describer {
	return []carillon.Describer{
		projection.Keyed("sales",
			projection.By("order.placed", func(e shop.OrderPlaced) string { return keyOf(e.Posted) }, Sales.Placed),
			projection.By("order.cancelled", func(e shop.OrderCancelled) string { return keyOf(e.Posted) }, Sales.Cancelled)),
	}
}
