// Package importer feeds a retail file through the shop's command side: each invoice is one command, whose id is the invoice's
// number, so that an import that was broken off, or runs again, adds nothing twice.
package importer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/retail"
)

// inFlight is how many commands are on their way at a time. The log groups them into few flushes.
const inFlight = 256

// Outcome is what one import met.
type Outcome struct {
	// Commands is how many invoices were sent, Duplicates how many of them the log held already.
	Commands, Duplicates int64
	// Rejected is how many rows of the file were not accepted.
	Rejected int64
}

// Import sends every invoice of a reader and returns when all are answered. Rows and invoices that are not accepted go to
// rejects, which is called from one goroutine at a time, and the import goes on; what stops it is a failing store, a failing
// input, or the end of the context. What was answered until then stays.
func Import(ctx context.Context, bus *cqrs.Bus, reader *retail.Reader, rejects *Rejects) (Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	i := &importing{bus: bus, rejects: rejects}
	invoices := make(chan retail.Invoice, inFlight)
	var senders sync.WaitGroup
	for range inFlight {
		senders.Go(func() {
			for invoice := range invoices {
				if err := i.send(ctx, invoice); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := feed(ctx, reader, invoices)
	close(invoices)
	senders.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	i.outcome.Rejected = rejects.Count()
	return i.outcome, errors.Join(err, rejects.Err())
}

// feed passes invoices on until the input or the context ends.
func feed(ctx context.Context, reader *retail.Reader, invoices chan<- retail.Invoice) error {
	for invoice, err := range reader.Invoices() {
		if err != nil {
			return err
		}
		select {
		case invoices <- invoice:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

type importing struct {
	bus     *cqrs.Bus
	rejects *Rejects

	mu      sync.Mutex
	outcome Outcome
}

func (i *importing) send(ctx context.Context, invoice retail.Invoice) error {
	if ctx.Err() != nil {
		return nil
	}
	appended, err := i.bus.Send(ctx, Command(invoice), cqrs.WithID(invoice.Number))
	switch {
	case errors.Is(err, carillon.ErrRejected), errors.Is(err, carillon.ErrInvalid),
		errors.Is(err, carillon.ErrCommandReused), errors.Is(err, carillon.ErrTooLarge):
		i.rejects.Invoice(invoice, err)
		return nil
	case err != nil:
		return fmt.Errorf("invoice %s: %w", invoice.Number, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.outcome.Commands++
	if appended.Duplicate {
		i.outcome.Duplicates++
	}
	return nil
}

// Command is the command an invoice stands for.
func Command(invoice retail.Invoice) any {
	document := shop.Document{
		ID: invoice.Number, Date: invoice.Time, CustomerID: invoice.Customer, Country: invoice.Country,
		Lines: make([]shop.Line, len(invoice.Lines)),
	}
	for n, line := range invoice.Lines {
		document.Lines[n] = shop.Line{
			StockCode: line.StockCode, Description: line.Description, Quantity: line.Quantity, UnitPrice: line.Price,
		}
	}
	switch invoice.Kind {
	case retail.CreditNote:
		return shop.IssueCreditNote{Document: document}
	case retail.Adjustment:
		return shop.PostAdjustment{Document: document}
	case retail.WriteOff:
		return shop.WriteOffStock{Document: document}
	default:
		return shop.PlaceOrder{Document: document}
	}
}
