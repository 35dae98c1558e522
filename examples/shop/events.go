package shop

import (
	"iter"
	"time"

	"github.com/carillon-go/carillon/examples/shop/money"
)

// Posted is the content of every document's event. Its stream names the document.
type Posted struct {
	ID         string       `json:"id"`
	Date       time.Time    `json:"date"`
	CustomerID string       `json:"customer_id,omitempty"`
	Country    string       `json:"country"`
	Lines      []Line       `json:"lines"`
	Net        money.Amount `json:"net"`
}

// OrderPlaced says that an order was placed.
type OrderPlaced struct{ Posted }

// OrderCancelled says that an order was cancelled, and repeats it, so that read models can take it back.
type OrderCancelled struct {
	Posted
	CancelledAt time.Time `json:"cancelled_at"`
	Reason      string    `json:"reason,omitempty"`
}

// CreditNoteIssued says that goods were taken back.
type CreditNoteIssued struct{ Posted }

// AdjustmentPosted says that bad debt was corrected.
type AdjustmentPosted struct{ Posted }

// StockWrittenOff says that stock was lost.
type StockWrittenOff struct{ Posted }

// Day is the document's date as 2006-01-02.
func (p Posted) Day() string { return p.Date.Format(time.DateOnly) }

// ByCountry is the key of the country's row.
func (p Posted) ByCountry() string { return p.Country }

// ByCustomer is the key of the customer's row, empty for a guest.
func (p Posted) ByCustomer() string { return p.CustomerID }

// Sale is a document's line with what its product's row needs to know.
type Sale struct {
	Line
	Date time.Time
	ID   string
}

// ByProduct yields the lines by stock code.
func (p Posted) ByProduct() iter.Seq2[string, Sale] {
	return func(yield func(string, Sale) bool) {
		for _, line := range p.Lines {
			if !yield(line.StockCode, Sale{Line: line, Date: p.Date, ID: p.ID}) {
				return
			}
		}
	}
}
