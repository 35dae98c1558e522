package shop

import (
	"testing"
	"time"

	"github.com/carillon-go/carillon/eventtest"
)

func TestOrders(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	lines := []Line{{StockCode: "A", Description: "A lamp", Quantity: 2, UnitPrice: 1_250}, {StockCode: "B", Quantity: -1, UnitPrice: 500}}
	command := PlaceOrder{Document{ID: "1", Country: "France", Lines: lines}}
	posted := Posted{ID: "1", Date: noon, Country: "France", Lines: lines, Net: 2_000}

	eventtest.Decider(t, orders()).At(noon).When(command).Then(OrderPlaced{posted})
	eventtest.Decider(t, orders()).Given(OrderPlaced{posted}).When(command).ThenRejected("order 1 was placed already")
	eventtest.Decider(t, orders()).Given(OrderPlaced{posted}).At(noon).When(CancelOrder{ID: "1", Reason: "late"}).
		Then(OrderCancelled{Posted: posted, CancelledAt: noon, Reason: "late"}).
		When(CancelOrder{ID: "1"}).ThenRejected("order 1 was cancelled already")
	eventtest.Decider(t, orders()).When(CancelOrder{ID: "2"}).ThenRejected("order 2 was never placed")
}

func TestCancellationTakesBack(t *testing.T) {
	t.Parallel()
	posted := Posted{
		ID: "1", Date: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), CustomerID: "7", Country: "France", Net: 2_500,
		Lines: []Line{{StockCode: "A", Description: "A lamp", Quantity: 2, UnitPrice: 1_250}},
	}
	placed := eventtest.At("order-1", OrderPlaced{posted})
	cancelled := eventtest.At("order-1", OrderCancelled{Posted: posted, CancelledAt: posted.Date})

	eventtest.Projection(t, totals()).Given(placed).ThenRow("all", Totals{Orders: 1, Lines: 1, Net: 2_500}).
		Given(cancelled).ThenRow("all", Totals{Cancelled: 1})
	eventtest.Projection(t, trade("countries", Posted.ByCountry)).Given(placed).ThenRow("France", Trade{Orders: 1, Net: 2_500}).
		Given(cancelled).ThenRow("France", Trade{})
	eventtest.Projection(t, products()).Given(placed, cancelled).
		ThenRow("A", Product{Description: "A lamp", Described: Described{Date: posted.Date, ID: "1"}})
}

// The latest description of a product counts, whichever order the documents come in.
func TestDescriptionsDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	at := func(day int, id, description string) eventtest.Happened {
		return eventtest.At("order-"+id, OrderPlaced{Posted{
			ID: id, Date: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC), Country: "France",
			Lines: []Line{{StockCode: "A", Description: description, Quantity: 1, UnitPrice: 1_000}},
		}})
	}
	earlier, later := at(1, "2", "old"), at(2, "1", "new")
	want := Product{Description: "new", Units: 2, Net: 2_000, Described: Described{Date: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), ID: "1"}}
	eventtest.Projection(t, products()).Given(earlier, later).ThenRow("A", want)
	eventtest.Projection(t, products()).Given(later, earlier).ThenRow("A", want)
}
