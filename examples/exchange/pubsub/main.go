// Pubsub tells several services of an event. The one that publishes it does not know who they are.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
)

// OrderPlaced is an event.
type OrderPlaced struct{ ID string }

// Key is what order is kept per.
func (e OrderPlaced) Key() string { return e.ID }

var orders = messaging.NewTopic("orders", messaging.Event[OrderPlaced]("order.placed"))

// subscriber is a consumer under a name of its own: it is given every order.
func subscriber(name string, done chan<- string) *messaging.Consumer {
	return messaging.Consume(name, orders,
		messaging.On(func(_ context.Context, _ *messaging.Tx, e OrderPlaced) error {
			done <- fmt.Sprintf("%s has seen %s", name, e.ID)
			return nil
		}))
}

func run(ctx context.Context, out *log.Logger) error {
	broker, done := memory.Volatile(), make(chan string, 100)
	return exchange.Together(ctx, func(ctx context.Context, shop *app.Running) error {
		for _, id := range []string{"order-1", "order-2"} {
			if err := shop.Messages.Publish(ctx, orders, OrderPlaced{ID: id}); err != nil {
				return err
			}
		}
		seen := make([]string, 4)
		for i := range seen {
			seen[i] = <-done
		}
		for _, line := range slices.Sorted(slices.Values(seen)) {
			out.Println(line)
		}
		return nil
	},
		exchange.Service(broker, orders),
		exchange.Service(broker, subscriber("billing", done)),
		exchange.Service(broker, subscriber("shipping", done)))
}

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0)); err != nil {
		log.Fatal(err)
	}
}
