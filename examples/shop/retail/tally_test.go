package retail_test

import (
	"testing"
	"time"

	"github.com/carillon-go/carillon/examples/shop/retail"
)

// tally counts what a reader delivers, by the definitions of the package.
type tally struct {
	counts                               retail.Totals
	countries, products, customers, days map[string]bool
}

func newTally() *tally {
	return &tally{countries: map[string]bool{}, products: map[string]bool{}, customers: map[string]bool{}, days: map[string]bool{}}
}

func (y *tally) add(t *testing.T, invoice retail.Invoice) {
	t.Helper()
	switch invoice.Kind {
	case retail.Order:
		y.counts.Orders++
	case retail.CreditNote:
		y.counts.CreditNotes++
	case retail.Adjustment:
		y.counts.Adjustments++
	case retail.WriteOff:
		y.counts.WriteOffs++
	default:
		t.Errorf("invoice %s is of no kind: %v", invoice.Number, invoice.Kind)
	}
	y.counts.Lines += len(invoice.Lines)
	for _, line := range invoice.Lines {
		y.products[line.StockCode] = true
	}
	y.countries[invoice.Country] = true
	y.days[invoice.Time.Format(time.DateOnly)] = true
	if invoice.Customer != "" {
		y.customers[invoice.Customer] = true
	}
	net, err := invoice.Net()
	if err != nil {
		t.Errorf("net of invoice %s: %v", invoice.Number, err)
	}
	y.counts.Net += net
}

func (y *tally) totals() retail.Totals {
	totals := y.counts
	totals.Countries, totals.Products = len(y.countries), len(y.products)
	totals.Customers, totals.Days = len(y.customers), len(y.days)
	return totals
}
