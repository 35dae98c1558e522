package services

import (
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

// TakePayment takes the money for an order.
type TakePayment struct {
	OrderID string       `json:"order_id"`
	Amount  money.Amount `json:"amount"`
}

// Key is the order's number.
func (c TakePayment) Key() string { return c.OrderID }

// PaymentMade says that the money for an order was taken.
type PaymentMade struct {
	OrderID string       `json:"order_id"`
	Amount  money.Amount `json:"amount"`
}

// Payment is what decisions about a payment need to know.
type Payment struct{ Made bool }

// WhenMade evolves the payment.
func (Payment) WhenMade(PaymentMade) Payment { return Payment{Made: true} }

// DecideTake takes the money once.
func (p Payment) DecideTake(c TakePayment) ([]carillon.Event, error) {
	if p.Made {
		return nil, carillon.Rejectf("order %s was paid already", c.OrderID)
	}
	return carillon.Events(PaymentMade(c)), nil
}

// Paid is the row of all payments.
type Paid struct {
	Payments int64        `json:"payments"`
	Sum      money.Amount `json:"sum"`
}

// Made counts a payment.
func (p Paid) Made(e PaymentMade) Paid { p.Payments++; p.Sum += e.Amount; return p }

// longestPause is how long an order waits for another try at most: the provider is spared by its breaker.
const longestPause = 5 * time.Second

// Payments takes the money for every order that was placed, once.
func Payments(topics Topics) []carillon.Describer {
	return []carillon.Describer{
		sourcing.Aggregate("payment",
			sourcing.On("payment.made", Payment.WhenMade),
			sourcing.Decide("payment.take", TakePayment.Key, Payment.DecideTake)),
		messaging.Consume("payments", topics.Orders,
			messaging.Send(func(e shop.OrderPlaced) any { return TakePayment{OrderID: e.ID, Amount: e.Net} }),
			messaging.Retry(consume.Retry{Last: longestPause})),
		messaging.Forward(topics.Payments),
		projection.Keyed("paid", projection.By("payment.made", func(PaymentMade) string { return everything }, Paid.Made)),
	}
}

// everything is the key of a read model's only row.
const everything = "all"
