package shop

import (
	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// Order is what decisions about an order need to know.
type Order struct {
	Placed    bool
	Cancelled bool
	Content   Posted
}

// WhenPlaced evolves the order.
func (o Order) WhenPlaced(e OrderPlaced) Order {
	o.Placed, o.Content = true, e.Posted
	return o
}

// WhenCancelled evolves the order.
func (o Order) WhenCancelled(OrderCancelled) Order {
	o.Cancelled, o.Content = true, Posted{}
	return o
}

// DecidePlace decides whether an order may be placed.
func (o Order) DecidePlace(m sourcing.Moment, c PlaceOrder) ([]carillon.Event, error) {
	if o.Placed {
		return nil, carillon.Rejectf("order %s was placed already", c.ID)
	}
	posted, err := post(m, c.Document)
	return carillon.Events(OrderPlaced{posted}), err
}

// DecideCancel decides whether an order may be cancelled.
func (o Order) DecideCancel(m sourcing.Moment, c CancelOrder) ([]carillon.Event, error) {
	switch {
	case !o.Placed:
		return nil, carillon.Rejectf("order %s was never placed", c.ID)
	case o.Cancelled:
		return nil, carillon.Rejectf("order %s was cancelled already", c.ID)
	default:
		return carillon.Events(OrderCancelled{Posted: o.Content, CancelledAt: m.Now, Reason: c.Reason}), nil
	}
}

// post makes a document's event content of its command.
func post(m sourcing.Moment, d Document) (Posted, error) {
	sum, err := net(d.Lines)
	if err != nil {
		return Posted{}, carillon.Rejectf("%s", err)
	}
	posted := Posted{ID: d.ID, Date: d.Date, CustomerID: d.CustomerID, Country: d.Country, Lines: d.Lines, Net: sum}
	if posted.Date.IsZero() {
		posted.Date = m.Now
	}
	return posted, nil
}

func orders() *sourcing.Decider[Order] {
	return sourcing.Aggregate("order",
		sourcing.On("order.placed", Order.WhenPlaced),
		sourcing.On("order.cancelled", Order.WhenCancelled),
		sourcing.DecideAt("order.place", PlaceOrder.Key, Order.DecidePlace),
		sourcing.DecideAt("order.cancel", CancelOrder.Key, Order.DecideCancel))
}
