package shop

import (
	"net/http"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop/page"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/rest"
)

// models are the read models of the shop.
type models struct {
	totals                     *projection.Model[Totals]
	countries, days, customers *projection.Model[Trade]
	products                   *projection.Model[Product]
	orders                     *projection.Model[OrderRow]
}

func newModels() models {
	return models{
		totals:    totals(),
		countries: trade("countries", Posted.ByCountry),
		days:      trade("days", Posted.Day),
		customers: trade("customers", Posted.ByCustomer),
		products:  products(),
		orders:    orderRows(),
	}
}

// Projections are the read models of the shop, for a program that rebuilds them.
func Projections() []projection.Definition {
	m := newModels()
	return []projection.Definition{m.totals, m.countries, m.days, m.customers, m.products, m.orders}
}

// New makes the shop on a store, with more parts and settings. An empty address serves nothing.
func New(store carillon.Opener, address string, more ...carillon.Describer) (*app.App, *rest.Server) {
	m := newModels()
	parts := []carillon.Describer{
		orders(), creditNotes(), adjustments(), writeOffs(),
		m.totals, m.countries, m.days, m.customers, m.products, m.orders,
		projection.Query("report.summary", m.totals, m.summary, m.countries, m.days, m.products, m.customers),
		projection.Query("report.countries", m.countries, countryReport),
		projection.Query("report.days", m.days, dayReport),
		projection.Query("report.products", m.products, productReport),
		projection.Query("report.customers", m.customers, customerReport),
		projection.Query("report.customer", m.customers, customer),
	}
	var beside *report
	for _, part := range more {
		if found, ok := part.(*report); ok {
			beside = found
			continue
		}
		parts = append(parts, part)
	}
	var service *app.App
	server := rest.Serve(address, m.endpoints(beside.handler(func() *app.App { return service }))...)
	if address != "" {
		parts = append(parts, server)
	}
	service = app.New(store, parts...)
	return service, server
}

// Handler serves commands, reports and the page of a shop that runs without an address of its own.
func Handler(running *app.Running) (http.Handler, error) {
	return rest.Handler(running, newModels().endpoints((*report)(nil).handler(nil))...)
}

func (m models) endpoints(besides http.Handler) []rest.Part {
	return []rest.Part{
		rest.Title("The shop"),
		rest.Command[PlaceOrder]("POST /api/orders", rest.Complete(PlaceOrder.withID), rest.Location("/api/orders/{id}")),
		rest.Command[CancelOrder]("POST /api/orders/{id}/cancel"),
		rest.Get("GET /api/orders/{id}", m.orders),
		rest.Query[SummaryOf]("GET /api/reports/summary"),
		rest.Query[CountriesOf]("GET /api/reports/countries"),
		rest.Query[DaysOf]("GET /api/reports/days"),
		rest.Query[ProductsOf]("GET /api/reports/products"),
		rest.Query[CustomersOf]("GET /api/reports/customers"),
		rest.Query[CustomerOf]("GET /api/reports/customers/{id}"),
		rest.Mount("GET /api/services", besides),
		rest.Mount("GET /", page.Handler()),
	}
}

// withID gives an order without a number that of the request, so that a repeated request places it once.
func (c PlaceOrder) withID(request string) PlaceOrder {
	if c.ID == "" {
		c.ID = request
	}
	return c
}
