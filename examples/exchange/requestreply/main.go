// Requestreply sends commands and asks queries that another service handles, in the words of those that are handled here.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
	"github.com/carillon-go/carillon/projection"
	"github.com/carillon-go/carillon/sourcing"
)

type (
	// Reserve is a command, Reserved the event it may come to.
	Reserve  struct{ Product, Order string }
	Reserved struct{ Order string }
	// Stock is what a decision needs to know, and what the read model keeps.
	Stock struct{ Orders int }
	// StockOf is a query.
	StockOf struct{ Product string }
)

// Key names the product's stream.
func (c Reserve) Key() string { return c.Product }

// Reserved evolves and folds.
func (s Stock) Reserved(Reserved) Stock { s.Orders++; return s }

// Reserve decides.
func (s Stock) Reserve(c Reserve) ([]carillon.Event, error) {
	if s.Orders == 2 {
		return nil, carillon.Rejectf("%s is sold out", c.Product)
	}
	return carillon.Events(Reserved{Order: c.Order}), nil
}

var requests = messaging.NewTopic("warehouse",
	messaging.Command[Reserve]("stock.reserve"),
	messaging.Query[StockOf, Stock]("stock.of"))

// warehouse is what handles the requests, wherever it runs.
func warehouse() []carillon.Describer {
	stocks := projection.Keyed("stocks", projection.On("stock.reserved", Stock.Reserved))
	return []carillon.Describer{
		sourcing.Aggregate("stock",
			sourcing.On("stock.reserved", Stock.Reserved),
			sourcing.Decide("stock.reserve", Reserve.Key, Stock.Reserve)),
		stocks,
		projection.Query("stock.of", stocks, func(ctx context.Context, view projection.View[Stock], q StockOf) (Stock, error) {
			row, err := view.Get(ctx, q.Product)
			return row.State, err
		}),
	}
}

// order knows nothing of where its requests are handled.
func order(ctx context.Context, bus *cqrs.Bus, out *log.Logger) error {
	ctx, done := context.WithTimeout(ctx, 5*time.Second) // the deadline travels
	defer done()
	for _, id := range []string{"order-1", "order-2", "order-3"} {
		reserved, err := bus.Send(ctx, Reserve{Product: "bell", Order: id}, cqrs.WithID("reserve-"+id))
		if err != nil {
			out.Println(id, "is rejected:", err)
			continue
		}
		stock, err := cqrs.Ask[Stock](ctx, bus, StockOf{Product: "bell"}, cqrs.After(reserved.Last)) // reads its own write
		if err != nil {
			return err
		}
		out.Println(id, "is one of", stock.Orders)
	}
	return nil
}

func run(ctx context.Context, out *log.Logger, apart bool) error {
	ordering := func(ctx context.Context, shop *app.Running) error { return order(ctx, shop.Bus, out) }
	broker := memory.Volatile()
	if !apart {
		return exchange.Together(ctx, ordering, exchange.Service(broker, append(warehouse(), requests)...))
	}
	return exchange.Together(ctx, ordering,
		exchange.Service(broker, messaging.Remote("shop", requests)),
		exchange.Service(broker, append(warehouse(), messaging.Serve("warehouse", requests))...))
}

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0), true); err != nil {
		log.Fatal(err)
	}
}
