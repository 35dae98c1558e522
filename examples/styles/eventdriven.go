package styles

import (
	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

// Book books an order.
type Book struct {
	OrderID string       `json:"order_id"`
	Sales   string       `json:"sales"`
	Net     money.Amount `json:"net"`
}

// Key is the order's number.
func (c Book) Key() string { return c.OrderID }

// Unbook takes back what was booked for an order.
type Unbook struct {
	OrderID string `json:"order_id"`
}

// Key is the order's number.
func (c Unbook) Key() string { return c.OrderID }

// Booking says that an amount was booked: for an order, or against it.
type Booking struct {
	OrderID string       `json:"order_id"`
	Sales   string       `json:"sales"`
	Orders  int64        `json:"orders"`
	Net     money.Amount `json:"net"`
}

// Ledger is what decisions about the bookings of an order need to know: the last.
type Ledger struct{ Last Booking }

// WhenBooked evolves the ledger.
func (Ledger) WhenBooked(e Booking) Ledger { return Ledger{Last: e} }

// DecideBook books an order once.
func (l Ledger) DecideBook(c Book) ([]carillon.Event, error) {
	if l.Last.Orders != 0 {
		return nil, nil
	}
	return carillon.Events(Booking{OrderID: c.OrderID, Sales: c.Sales, Orders: 1, Net: c.Net}), nil
}

// DecideUnbook takes a booking back, where there is one.
func (l Ledger) DecideUnbook(Unbook) ([]carillon.Event, error) {
	if l.Last.Orders != 1 {
		return nil, nil
	}
	back := l.Last
	back.Orders, back.Net = -1, -back.Net
	return carillon.Events(back), nil
}

// Booked adds a booking.
func (s Sales) Booked(e Booking) Sales { return s.add(e.Orders, e.Net) }

// EventDriven books every order when its message comes. Each message is handled for itself: what it leads to is a command to the ledger,
// which knows what it has booked, and answers the question as any service answers from its own log.
func EventDriven(orders *messaging.Topic) []carillon.Describer {
	return []carillon.Describer{
		messaging.Consume("booking", orders,
			messaging.Send(func(e shop.OrderPlaced) any { return Book{OrderID: e.ID, Sales: keyOf(e.Posted), Net: e.Net} }),
			messaging.Send(func(e shop.OrderCancelled) any { return Unbook{OrderID: e.ID} })),
		sourcing.Aggregate("ledger",
			sourcing.On("sale.booked", Ledger.WhenBooked),
			sourcing.Decide("sale.book", Book.Key, Ledger.DecideBook),
			sourcing.Decide("sale.unbook", Unbook.Key, Ledger.DecideUnbook)),
		projection.Keyed("booked", projection.By("sale.booked", func(e Booking) string { return e.Sales }, Sales.Booked)),
	}
}
