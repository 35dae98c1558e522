package shop

import (
	"fmt"
	"time"

	"github.com/carillon-go/carillon/examples/shop/money"
)

// The limits of what the shop accepts.
const (
	maxLines       = 10_000
	maxText        = 64
	maxDescription = 1024
)

// Line is a line of an order or another document.
type Line struct {
	StockCode   string       `json:"stock_code"`
	Description string       `json:"description,omitempty"`
	Quantity    int64        `json:"quantity"`
	UnitPrice   money.Amount `json:"unit_price"`
}

// Document is what all documents of the shop have in common.
type Document struct {
	// ID is the number of the document; an order placed without one is given one.
	ID string `json:"id,omitempty"`
	// Date is when the document was made, by the shop's clock; left out, it is now.
	Date time.Time `json:"date,omitzero"`
	// CustomerID is empty for a guest.
	CustomerID string `json:"customer_id,omitempty"`
	Country    string `json:"country"`
	Lines      []Line `json:"lines"`
}

// Key is the document's number.
func (d Document) Key() string { return d.ID }

// PlaceOrder places an order.
type PlaceOrder struct{ Document }

// CancelOrder cancels an order that was placed.
type CancelOrder struct {
	ID     string `json:"id,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Key is the order's number.
func (c CancelOrder) Key() string { return c.ID }

// IssueCreditNote takes goods back.
type IssueCreditNote struct{ Document }

// PostAdjustment corrects bad debt; its prices may be negative.
type PostAdjustment struct{ Document }

// WriteOffStock notes stock that was lost.
type WriteOffStock struct{ Document }

// Validate checks an order's content.
func (c PlaceOrder) Validate() error { return c.check(false) }

// Validate checks a credit note's content.
func (c IssueCreditNote) Validate() error { return c.check(false) }

// Validate checks an adjustment's content.
func (c PostAdjustment) Validate() error { return c.check(true) }

// Validate checks a write-off's content.
func (c WriteOffStock) Validate() error { return c.check(false) }

// Validate checks a cancellation's content.
func (c CancelOrder) Validate() error {
	if len(c.Reason) > maxDescription {
		return fmt.Errorf("reason: it has at most %d bytes", maxDescription)
	}
	return nil
}

func (d Document) check(negativePrices bool) error {
	switch {
	case len(d.ID) > maxText:
		return fmt.Errorf("id: it has at most %d bytes", maxText)
	case d.Country == "" || len(d.Country) > maxText:
		return fmt.Errorf("country: it has 1 to %d bytes", maxText)
	case len(d.CustomerID) > maxText:
		return fmt.Errorf("customer_id: it has at most %d bytes", maxText)
	case len(d.Lines) == 0 || len(d.Lines) > maxLines:
		return fmt.Errorf("lines: there are 1 to %d", maxLines)
	}
	for i, line := range d.Lines {
		if err := line.check(negativePrices); err != nil {
			return fmt.Errorf("lines[%d].%w", i, err)
		}
	}
	_, err := net(d.Lines)
	return err
}

func (l Line) check(negativePrices bool) error {
	switch {
	case l.StockCode == "" || len(l.StockCode) > maxText:
		return fmt.Errorf("stock_code: it has 1 to %d bytes", maxText)
	case len(l.Description) > maxDescription:
		return fmt.Errorf("description: it has at most %d bytes", maxDescription)
	case l.Quantity == 0:
		return fmt.Errorf("quantity: it is a whole number other than 0")
	case l.UnitPrice < 0 && !negativePrices:
		return fmt.Errorf("unit_price: it is not negative: %s", l.UnitPrice)
	default:
		return nil
	}
}

// net is the sum of quantity × price.
func net(lines []Line) (money.Amount, error) {
	var sum money.Amount
	for i, line := range lines {
		amount, err := line.UnitPrice.Times(line.Quantity)
		if err == nil {
			sum, err = sum.Plus(amount)
		}
		if err != nil {
			return 0, fmt.Errorf("lines[%d]: %w", i, err)
		}
	}
	return sum, nil
}
