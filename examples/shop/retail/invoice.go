package retail

import (
	"fmt"
	"time"

	"github.com/carillon-go/carillon/examples/shop/money"
)

// Kind says what an invoice stands for.
type Kind uint8

// The kinds of invoice.
const (
	// Order: goods sold. It is every invoice that is none of the others.
	Order Kind = iota + 1
	// CreditNote: goods taken back. Its number begins with C.
	CreditNote
	// Adjustment: a correction for bad debt. Its number begins with A, and its prices may be negative.
	Adjustment
	// WriteOff: stock lost. All its quantities are negative and all its prices are zero.
	WriteOff
)

func (k Kind) String() string {
	switch k {
	case Order:
		return "order"
	case CreditNote:
		return "credit note"
	case Adjustment:
		return "adjustment"
	case WriteOff:
		return "write-off"
	default:
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
}

// Invoice is one invoice of the file. It belongs to whoever received it.
type Invoice struct {
	// Number is the invoice's number as the file has it.
	Number string
	Kind   Kind
	// Time is the earliest of the invoice's lines.
	Time time.Time
	// Customer is the customer's number, such as "17850", or empty for a guest.
	Customer string
	Country  string
	// Lines are in file order. There is at least one.
	Lines []Line
}

// Line is one line of an invoice.
type Line struct {
	StockCode   string
	Description string
	Quantity    int64
	Price       money.Amount
	// FileLine is the line of the file it begins on; the header is line 1.
	FileLine int
}

// Net is the sum of quantity × price. It cannot overflow for an invoice that a [Reader] delivered.
func (i Invoice) Net() (money.Amount, error) {
	var net money.Amount
	for _, line := range i.Lines {
		amount, err := line.Price.Times(line.Quantity)
		if err != nil {
			return 0, err
		}
		if net, err = net.Plus(amount); err != nil {
			return 0, err
		}
	}
	return net, nil
}
