package cli

import (
	"context"
	"math"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/examples/shop/services"
)

// summary is what the log of the shop holds, and what one import met.
type summary struct {
	Orders      int64 `json:"orders"`
	CreditNotes int64 `json:"credit_notes"`
	Adjustments int64 `json:"adjustments"`
	WriteOffs   int64 `json:"write_offs"`
	// Rejected is how many rows this run did not accept, Duplicates how many invoices it met again.
	Rejected   int64             `json:"rejected"`
	Duplicates int64             `json:"duplicates"`
	Lines      int64             `json:"lines"`
	Events     carillon.Position `json:"events"`
	Customers  int64             `json:"customers"`
	Products   int64             `json:"products"`
	Countries  int64             `json:"countries"`
	NetTotal   money.Amount      `json:"net_total"`
	// Seconds is the wall time of the import, until every read model had caught up.
	Seconds           float64 `json:"seconds"`
	CommandsPerSecond float64 `json:"commands_per_second"`
	// Services is how far the other services have come, where they run.
	Services *services.Progress `json:"services,omitempty"`
}

func summarise(ctx context.Context, running *app.Running, done outcome) (summary, error) {
	totals, err := cqrs.Ask[shop.Summary](ctx, running.Bus, shop.SummaryOf{})
	if err != nil {
		return summary{}, err
	}
	head, err := running.Log.Head(ctx)
	if err != nil {
		return summary{}, err
	}
	s := summary{
		Orders: totals.Orders, CreditNotes: totals.CreditNotes, Adjustments: totals.Adjustments, WriteOffs: totals.WriteOffs,
		Rejected: done.Rejected, Duplicates: done.Duplicates, Lines: totals.Lines, Events: head,
		Customers: totals.Customers, Products: totals.Products, Countries: totals.Countries, NetTotal: totals.Net,
		Seconds: seconds(done.took),
	}
	if done.took > 0 {
		s.CommandsPerSecond = math.Round(float64(done.Commands) / done.took.Seconds())
	}
	return s, nil
}

// print prints the summary for people.
func (s summary) print(out *printer, input *feed) {
	out.printf("\n")
	if input.exists() {
		out.printf("Imported %s in %.3f s, %.0f commands/s\n", input.name, s.Seconds, s.CommandsPerSecond)
	}
	for _, row := range []struct {
		name  string
		count int64
	}{
		{"orders", s.Orders},
		{"credit notes", s.CreditNotes},
		{"adjustments", s.Adjustments},
		{"write-offs", s.WriteOffs},
		{"lines", s.Lines},
		{"events", int64(s.Events)},
		{"customers", s.Customers},
		{"products", s.Products},
		{"countries", s.Countries},
	} {
		out.printf("  %-12s %14d\n", row.name, row.count)
	}
	out.printf("  %-12s %14s\n", "net total", s.NetTotal)
	if s.Services != nil {
		out.printf("Of these orders %d are paid, %s in all, %d shipped and %d customers told; %d units are reserved.\n",
			s.Services.Payments, s.Services.Paid, s.Services.Shipments, s.Services.Notifications, s.Services.Units)
	}
	if s.Duplicates > 0 {
		out.printf("%d invoices were in the log already and added nothing.\n", s.Duplicates)
	}
}
