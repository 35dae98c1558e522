package shop

import (
	"time"

	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/projection"
)

// Totals is the row of the whole shop. Cancelled orders count in none but Cancelled.
type Totals struct {
	Orders      int64        `json:"orders"`
	Cancelled   int64        `json:"cancelled"`
	CreditNotes int64        `json:"credit_notes"`
	Adjustments int64        `json:"adjustments"`
	WriteOffs   int64        `json:"write_offs"`
	Lines       int64        `json:"lines"`
	Net         money.Amount `json:"net"`
	// GuestNet is the part of Net that no customer's row holds.
	GuestNet money.Amount `json:"guest_net"`
}

func (t Totals) add(p Posted, sign int64) Totals {
	t.Lines += sign * int64(len(p.Lines))
	t.Net += money.Amount(sign) * p.Net
	if p.CustomerID == "" {
		t.GuestNet += money.Amount(sign) * p.Net
	}
	return t
}

// Placed counts an order.
func (t Totals) Placed(e OrderPlaced) Totals { t.Orders++; return t.add(e.Posted, 1) }

// TakenBack takes a cancelled order back.
func (t Totals) TakenBack(e OrderCancelled) Totals {
	t.Orders--
	t.Cancelled++
	return t.add(e.Posted, -1)
}

// Issued counts a credit note.
func (t Totals) Issued(e CreditNoteIssued) Totals { t.CreditNotes++; return t.add(e.Posted, 1) }

// Adjusted counts an adjustment.
func (t Totals) Adjusted(e AdjustmentPosted) Totals { t.Adjustments++; return t.add(e.Posted, 1) }

// WrittenOff counts a write-off, which has no price.
func (t Totals) WrittenOff(e StockWrittenOff) Totals { t.WriteOffs++; return t.add(e.Posted, 1) }

// Trade is the row of a country, a day or a customer.
type Trade struct {
	Orders      int64        `json:"orders"`
	CreditNotes int64        `json:"credit_notes"`
	Net         money.Amount `json:"net"`
}

// Placed counts an order.
func (t Trade) Placed(e OrderPlaced) Trade { t.Orders++; t.Net += e.Net; return t }

// TakenBack takes a cancelled order back.
func (t Trade) TakenBack(e OrderCancelled) Trade { t.Orders--; t.Net -= e.Net; return t }

// Issued counts a credit note.
func (t Trade) Issued(e CreditNoteIssued) Trade { t.CreditNotes++; t.Net += e.Net; return t }

// Adjusted adds an adjustment.
func (t Trade) Adjusted(e AdjustmentPosted) Trade { t.Net += e.Net; return t }

// WrittenOff makes sure that there is a row: a write-off has no price.
func (t Trade) WrittenOff(StockWrittenOff) Trade { return t }

// Product is the row of a stock code. Units and Net are over orders, credit notes and adjustments.
type Product struct {
	Description string       `json:"description"`
	Units       int64        `json:"units"`
	Net         money.Amount `json:"net"`
	// Described is the document the description is from: the latest with one counts, in whatever order documents arrive.
	Described Described `json:"described,omitzero"`
}

// Described is a document by date and number.
type Described struct {
	Date time.Time `json:"date"`
	ID   string    `json:"id"`
}

func (d Described) before(other Described) bool {
	if d.Date.Equal(other.Date) {
		return d.ID <= other.ID
	}
	return d.Date.Before(other.Date)
}

// Sold adds a line of an order, a credit note or an adjustment.
func (p Product) Sold(s Sale) Product {
	p.Units += s.Quantity
	p.Net += s.UnitPrice * money.Amount(s.Quantity)
	return p.Named(s)
}

// TakenBack takes a line of a cancelled order back.
func (p Product) TakenBack(s Sale) Product {
	p.Units -= s.Quantity
	p.Net -= s.UnitPrice * money.Amount(s.Quantity)
	return p
}

// Named takes over the line's description, if it is the latest.
func (p Product) Named(s Sale) Product {
	if described := (Described{Date: s.Date, ID: s.ID}); s.Description != "" && p.Described.before(described) {
		p.Description, p.Described = s.Description, described
	}
	return p
}

// OrderRow is the row of an order.
type OrderRow struct {
	ID          string       `json:"id"`
	Status      string       `json:"status"`
	Date        time.Time    `json:"date"`
	CustomerID  string       `json:"customer_id,omitempty"`
	Country     string       `json:"country"`
	Net         money.Amount `json:"net"`
	Lines       []OrderLine  `json:"lines"`
	CancelledAt time.Time    `json:"cancelled_at,omitzero"`
	Reason      string       `json:"reason,omitempty"`
}

// OrderLine is a line of an order's row; the products' rows hold the descriptions.
type OrderLine struct {
	StockCode string       `json:"stock_code"`
	Quantity  int64        `json:"quantity"`
	UnitPrice money.Amount `json:"unit_price"`
}

// Placed makes the row.
func (OrderRow) Placed(e OrderPlaced) OrderRow {
	row := OrderRow{
		ID: e.ID, Status: "placed", Date: e.Date, CustomerID: e.CustomerID, Country: e.Country, Net: e.Net,
		Lines: make([]OrderLine, len(e.Lines)),
	}
	for i, line := range e.Lines {
		row.Lines[i] = OrderLine{StockCode: line.StockCode, Quantity: line.Quantity, UnitPrice: line.UnitPrice}
	}
	return row
}

// Cancelled marks the row.
func (o OrderRow) Cancelled(e OrderCancelled) OrderRow {
	o.Status, o.CancelledAt, o.Reason = "cancelled", e.CancelledAt, e.Reason
	return o
}

// everything is the key of the one row of the totals.
func everything[E any](E) string { return "all" }

func totals() *projection.Model[Totals] {
	return projection.Keyed("totals",
		projection.By("order.placed", everything, Totals.Placed),
		projection.By("order.cancelled", everything, Totals.TakenBack),
		projection.By("creditnote.issued", everything, Totals.Issued),
		projection.By("adjustment.posted", everything, Totals.Adjusted),
		projection.By("stock.written-off", everything, Totals.WrittenOff))
}

// document is any event with a document's content.
type document interface {
	OrderPlaced | OrderCancelled | CreditNoteIssued | AdjustmentPosted | StockWrittenOff
	posted() Posted
}

func (p Posted) posted() Posted { return p }

func keyedBy[E document](key func(Posted) string) func(E) string {
	return func(e E) string { return key(e.posted()) }
}

func trade(name string, key func(Posted) string) *projection.Model[Trade] {
	return projection.Keyed(name,
		projection.By("order.placed", keyedBy[OrderPlaced](key), Trade.Placed),
		projection.By("order.cancelled", keyedBy[OrderCancelled](key), Trade.TakenBack),
		projection.By("creditnote.issued", keyedBy[CreditNoteIssued](key), Trade.Issued),
		projection.By("adjustment.posted", keyedBy[AdjustmentPosted](key), Trade.Adjusted),
		projection.By("stock.written-off", keyedBy[StockWrittenOff](key), Trade.WrittenOff))
}

func products() *projection.Model[Product] {
	return projection.Keyed("products",
		projection.Each("order.placed", OrderPlaced.ByProduct, Product.Sold),
		projection.Each("order.cancelled", OrderCancelled.ByProduct, Product.TakenBack),
		projection.Each("creditnote.issued", CreditNoteIssued.ByProduct, Product.Sold),
		projection.Each("adjustment.posted", AdjustmentPosted.ByProduct, Product.Sold),
		projection.Each("stock.written-off", StockWrittenOff.ByProduct, Product.Named))
}

func orderRows() *projection.Model[OrderRow] {
	return projection.Keyed("orders",
		projection.On("order.placed", OrderRow.Placed),
		projection.On("order.cancelled", OrderRow.Cancelled))
}
