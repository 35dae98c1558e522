package shop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/projection"
)

// SummaryOf asks for the totals of the whole shop.
type SummaryOf struct{}

// Summary is the totals and how many rows the other reports have.
type Summary struct {
	Totals
	Customers int64 `json:"customers"`
	Products  int64 `json:"products"`
	Countries int64 `json:"countries"`
	Days      int64 `json:"days"`
}

// CountriesOf asks for trade by country, the largest net first.
type CountriesOf struct{}

// CountryRow is trade with one country.
type CountryRow struct {
	Country string `json:"country"`
	Trade
}

// DaysOf asks for trade by day in order of date, from and to included.
type DaysOf struct {
	From Date `json:"from,omitzero"`
	To   Date `json:"to,omitzero"`
}

// DayRow is trade on one day.
type DayRow struct {
	Day    string       `json:"day"`
	Orders int64        `json:"orders"`
	Net    money.Amount `json:"net"`
}

// ProductsOf asks for the products at the top by revenue (the default) or by units; all of them when Top is left out.
type ProductsOf struct {
	Top int    `json:"top,omitempty"`
	By  string `json:"by,omitempty"`
}

// ProductRow is what one product has sold. Units and Net are over orders, credit notes and adjustments.
type ProductRow struct {
	StockCode   string       `json:"stock_code"`
	Description string       `json:"description"`
	Units       int64        `json:"units"`
	Net         money.Amount `json:"net"`
}

// CustomersOf asks for the customers with the largest net; all of them when Top is left out.
type CustomersOf struct {
	Top int `json:"top,omitempty"`
}

// CustomerOf asks for one customer.
type CustomerOf struct {
	ID string `json:"id"`
}

// CustomerRow is trade with one customer.
type CustomerRow struct {
	CustomerID string       `json:"customer_id"`
	Orders     int64        `json:"orders"`
	Net        money.Amount `json:"net"`
}

// Date is a day written 2006-01-02; empty for none.
type Date string

// UnmarshalText reads a day.
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.DateOnly, string(text)); err != nil {
		return fmt.Errorf("%q is no day of the form 2006-01-02", text)
	}
	*d = Date(text)
	return nil
}

// Validate checks the number and the order asked for.
func (q ProductsOf) Validate() error {
	if q.By != "" && q.By != "revenue" && q.By != "units" {
		return fmt.Errorf("by: it is revenue or units, not %q", q.By)
	}
	return checkTop(q.Top)
}

// Validate checks the number asked for.
func (q CustomersOf) Validate() error { return checkTop(q.Top) }

func checkTop(top int) error {
	if top < 0 {
		return fmt.Errorf("top: it is 1 or more, not %d", top)
	}
	return nil
}

// Validate checks that the days are in order.
func (q DaysOf) Validate() error {
	if q.From != "" && q.To != "" && q.To < q.From {
		return fmt.Errorf("to: it is not before from")
	}
	return nil
}

func (m models) summary(ctx context.Context, totals projection.View[Totals], _ SummaryOf) (Summary, error) {
	row, err := totals.Get(ctx, everything(0))
	if err != nil && !errors.Is(err, carillon.ErrNotFound) {
		return Summary{}, err
	}
	s := Summary{Totals: row.State}
	counts := []func() error{
		func() (err error) { s.Countries, err = projection.Beside(totals, m.countries).Count(ctx); return },
		func() (err error) { s.Days, err = projection.Beside(totals, m.days).Count(ctx); return },
		func() (err error) { s.Products, err = projection.Beside(totals, m.products).Count(ctx); return },
		func() (err error) { s.Customers, err = projection.Beside(totals, m.customers).Count(ctx); return },
	}
	for _, count := range counts {
		if err := count(); err != nil {
			return Summary{}, err
		}
	}
	return s, nil
}

// collect makes report rows of all rows of a read model that keep lets pass.
func collect[S, R any](ctx context.Context, view projection.View[S], row func(projection.Entry[S]) (R, bool)) ([]R, error) {
	rows := []R{}
	for entry, err := range view.All(ctx) {
		if err != nil {
			return nil, err
		}
		if r, keep := row(entry); keep {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// first returns the first rows of a sorted list; all of them for 0.
func first[R any](rows []R, top int) []R {
	if top > 0 && top < len(rows) {
		return rows[:top]
	}
	return rows
}

func countryReport(ctx context.Context, view projection.View[Trade], _ CountriesOf) ([]CountryRow, error) {
	rows, err := collect(ctx, view, func(e projection.Entry[Trade]) (CountryRow, bool) {
		return CountryRow{Country: e.Key, Trade: e.State}, true
	})
	slices.SortFunc(rows, func(a, b CountryRow) int {
		return cmp.Or(cmp.Compare(b.Net, a.Net), cmp.Compare(a.Country, b.Country))
	})
	return rows, err
}

func dayReport(ctx context.Context, view projection.View[Trade], q DaysOf) ([]DayRow, error) {
	return collect(ctx, view, func(e projection.Entry[Trade]) (DayRow, bool) {
		inside := (q.From == "" || e.Key >= string(q.From)) && (q.To == "" || e.Key <= string(q.To))
		return DayRow{Day: e.Key, Orders: e.State.Orders, Net: e.State.Net}, inside
	})
}

func productReport(ctx context.Context, view projection.View[Product], q ProductsOf) ([]ProductRow, error) {
	rows, err := collect(ctx, view, func(e projection.Entry[Product]) (ProductRow, bool) {
		return ProductRow{StockCode: e.Key, Description: e.State.Description, Units: e.State.Units, Net: e.State.Net}, true
	})
	slices.SortFunc(rows, func(a, b ProductRow) int {
		rank := cmp.Compare(b.Net, a.Net)
		if q.By == "units" {
			rank = cmp.Compare(b.Units, a.Units)
		}
		return cmp.Or(rank, cmp.Compare(a.StockCode, b.StockCode))
	})
	return first(rows, q.Top), err
}

func customerReport(ctx context.Context, view projection.View[Trade], q CustomersOf) ([]CustomerRow, error) {
	rows, err := collect(ctx, view, func(e projection.Entry[Trade]) (CustomerRow, bool) { return customerRow(e), true })
	slices.SortFunc(rows, func(a, b CustomerRow) int {
		return cmp.Or(cmp.Compare(b.Net, a.Net), cmp.Compare(a.CustomerID, b.CustomerID))
	})
	return first(rows, q.Top), err
}

func customer(ctx context.Context, view projection.View[Trade], q CustomerOf) (CustomerRow, error) {
	entry, err := view.Get(ctx, q.ID)
	return customerRow(entry), err
}

func customerRow(e projection.Entry[Trade]) CustomerRow {
	return CustomerRow{CustomerID: e.Key, Orders: e.State.Orders, Net: e.State.Net}
}
