// Scattergather asks all suppliers for a price, and takes the best of those that answer in time.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
)

type (
	// PriceOf is a query.
	PriceOf struct{ Product string }
	// Price is what a supplier answers.
	Price struct{ Pence int }
)

var prices = messaging.NewTopic("prices", messaging.Query[PriceOf, Price]("price.of"))

// supplier answers after some time. Its name tells its answer from the others'.
func supplier(name string, pence int, after time.Duration) []carillon.Describer {
	return []carillon.Describer{
		cqrs.Query("price.of", func(ctx context.Context, _ PriceOf) (Price, error) {
			select {
			case <-time.After(after):
				return Price{Pence: pence}, nil
			case <-ctx.Done():
				return Price{}, ctx.Err()
			}
		}),
		messaging.Serve(name, prices),
	}
}

// best asks everybody, and takes the lowest price of those that came.
func best(ctx context.Context, messages *messaging.Engine, out *log.Logger, suppliers ...string) error {
	ctx, done := context.WithTimeout(ctx, 500*time.Millisecond)
	defer done()
	answers, err := messaging.Gather[Price](ctx, messages, prices, PriceOf{Product: "bell"}, messaging.ExpectFrom(suppliers...))
	partial, late := errors.AsType[*messaging.PartialError](err)
	if err != nil && !late {
		return err
	}
	lowest := answers[0]
	for _, answer := range answers {
		if answer.Err == nil && answer.Value.Pence < lowest.Value.Pence {
			lowest = answer
		}
	}
	out.Printf("%s asks %d pence, the lowest of %d prices", lowest.From, lowest.Value.Pence, len(answers))
	if late {
		out.Println("no answer from", partial.Missing)
	}
	return nil
}

func run(ctx context.Context, out *log.Logger) error {
	broker := memory.Volatile()
	return exchange.Together(ctx, func(ctx context.Context, shop *app.Running) error {
		return best(ctx, shop.Messages, out, "acme", "bells", "chimes")
	},
		exchange.Service(broker, messaging.Remote("shop", prices)),
		exchange.Service(broker, supplier("acme", 250, 0)...),
		exchange.Service(broker, supplier("bells", 240, 0)...),
		exchange.Service(broker, supplier("chimes", 100, time.Hour)...))
}

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0)); err != nil {
		log.Fatal(err)
	}
}
