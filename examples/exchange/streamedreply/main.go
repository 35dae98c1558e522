// Streamedreply asks one question and ranges over the answers as they come.
package main

import (
	"context"
	"fmt"
	"iter"
	"log"
	"os"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
)

type (
	// ReadingsOf is a query.
	ReadingsOf struct{ Sensor string }
	// Reading is one part of the answer.
	Reading struct{ Celsius int }
)

var readings = messaging.NewTopic("readings", messaging.Stream[ReadingsOf, Reading]("readings.of"))

// measure answers with as many readings as the caller takes.
func measure(_ context.Context, _ ReadingsOf) (iter.Seq2[Reading, error], error) {
	return func(yield func(Reading, error) bool) {
		for celsius := 20; yield(Reading{Celsius: celsius}, nil); celsius++ {
		}
	}, nil
}

// firstAbove ranges until it has found what it looks for: leaving the loop stops the other side.
func firstAbove(ctx context.Context, bus *cqrs.Bus, celsius int) (Reading, error) {
	all, err := cqrs.Ask[iter.Seq2[Reading, error]](ctx, bus, ReadingsOf{Sensor: "attic"})
	if err != nil {
		return Reading{}, err
	}
	for reading, err := range all {
		if err != nil || reading.Celsius > celsius {
			return reading, err
		}
	}
	return Reading{}, fmt.Errorf("it does not get warmer than %d", celsius)
}

func run(ctx context.Context, out *log.Logger) error {
	broker := memory.Volatile()
	return exchange.Together(ctx, func(ctx context.Context, shop *app.Running) error {
		reading, err := firstAbove(ctx, shop.Bus, 400)
		out.Println("the first reading above 400:", reading.Celsius)
		return err
	},
		exchange.Service(broker, messaging.Remote("alarm", readings)),
		exchange.Service(broker, cqrs.Query("readings.of", measure), messaging.Serve("sensors", readings)))
}

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0)); err != nil {
		log.Fatal(err)
	}
}
