package retail

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carillon-go/carillon/examples/shop/money"
)

const (
	maxPassed = 100    // lines without one of its own, after which an invoice is complete
	maxLines  = 10_000 // of one invoice

	creditNotePrefix = 'C'
	adjustmentPrefix = 'A'
)

// assembly puts invoices together from rows that come one after the other.
type assembly struct {
	open   []*draft // by their last line
	spare  []*draft
	passed int64 // lines so far, rejected ones included
}

// draft is an invoice that more lines may belong to.
type draft struct {
	number   string
	time     time.Time
	customer string
	country  string
	lines    []Line
	net      money.Amount
	last     int64 // of its own lines, counted as assembly.passed
	lost     bool  // every quantity is negative and every price zero, so far
}

// add puts a row into its invoice, or says why it does not fit.
func (a *assembly) add(r row) error {
	a.passed++
	d := a.find(r.number)
	if d == nil {
		d = a.begin(r)
	}
	net, err := d.net.Plus(r.amount)
	switch {
	case r.customer != d.customer:
		return fmt.Errorf("customer %q on an invoice of customer %q", r.customer, d.customer)
	case r.country != d.country:
		return fmt.Errorf("country %q on an invoice of country %q", r.country, d.country)
	case len(d.lines) == maxLines:
		return fmt.Errorf("the invoice has %d lines, and may not have more", maxLines)
	case err != nil:
		return errors.New("the invoice's total is out of range")
	}
	d.net = net
	d.lines = append(d.lines, r.line)
	d.lost = d.lost && r.line.Quantity < 0 && r.line.Price == 0
	if r.time.Before(d.time) {
		d.time = r.time
	}
	return nil
}

// pass counts a rejected line. The number is nil where it could not be read.
func (a *assembly) pass(number []byte) {
	a.passed++
	if number != nil {
		a.find(number)
	}
}

// find gives the open invoice of that number, or nil, and notes that a line of it has come.
func (a *assembly) find(number []byte) *draft {
	for i := len(a.open) - 1; i >= 0; i-- {
		d := a.open[i]
		if d.number != string(number) {
			continue
		}
		d.last = a.passed
		copy(a.open[i:], a.open[i+1:])
		a.open[len(a.open)-1] = d
		return d
	}
	return nil
}

func (a *assembly) begin(r row) *draft {
	var d *draft
	if n := len(a.spare); n > 0 {
		d, a.spare = a.spare[n-1], a.spare[:n-1]
	} else {
		d = &draft{}
	}
	*d = draft{
		number: string(r.number), time: r.time, customer: r.customer, country: r.country,
		lines: d.lines[:0], last: a.passed, lost: true,
	}
	a.open = append(a.open, d)
	return d
}

// complete gives the next invoice that is complete. At the end of the file, all are.
func (a *assembly) complete(end bool) (Invoice, bool) {
	if len(a.open) == 0 || !end && a.passed-a.open[0].last < maxPassed {
		return Invoice{}, false
	}
	d := a.open[0]
	a.open = slices.Delete(a.open, 0, 1)
	invoice := d.invoice()
	clear(d.lines)
	a.spare = append(a.spare, d)
	return invoice, true
}

// rest gives the open invoices as they are, and forgets them.
func (a *assembly) rest() []Invoice {
	var invoices []Invoice
	for {
		invoice, ok := a.complete(true)
		if !ok {
			return invoices
		}
		invoices = append(invoices, invoice)
	}
}

func (d *draft) invoice() Invoice {
	kind := Order
	switch {
	case d.number[0] == creditNotePrefix:
		kind = CreditNote
	case d.number[0] == adjustmentPrefix:
		kind = Adjustment
	case d.lost:
		kind = WriteOff
	}
	return Invoice{
		Number: d.number, Kind: kind, Time: d.time, Customer: d.customer, Country: d.country, Lines: slices.Clone(d.lines),
	}
}
