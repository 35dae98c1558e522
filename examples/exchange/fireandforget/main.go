// Fireandforget hands a command over and goes on: it is durable when Publish returns, and carried out some time later.
package main

import (
	"context"
	"log"
	"os"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
)

// SendReceipt is a command.
type SendReceipt struct{ Order string }

// Key is what order is kept per.
func (c SendReceipt) Key() string { return c.Order }

var receipts = messaging.NewTopic("receipts", messaging.Command[SendReceipt]("receipt.send"))

// mailing carries the commands out, each under an id that follows from its message. One that fails is tried again, and parked in the end.
func mailing(sent chan<- string) []carillon.Describer {
	return []carillon.Describer{
		cqrs.Command("receipt.send", func(_ context.Context, _ *carillon.Message, c SendReceipt) (carillon.Appended, error) {
			sent <- c.Order
			return carillon.Appended{}, nil
		}),
		messaging.Consume("mailing", receipts, messaging.Send(func(c SendReceipt) any { return c })),
	}
}

func run(ctx context.Context, out *log.Logger) error {
	broker, sent := memory.Volatile(), make(chan string, 10)
	return exchange.Together(ctx, func(ctx context.Context, shop *app.Running) error {
		if err := shop.Messages.Publish(ctx, receipts, SendReceipt{Order: "order-1"}); err != nil {
			return err
		}
		out.Println("the receipt is on its way")
		out.Println("the receipt is sent for", <-sent)
		return nil
	},
		exchange.Service(broker, receipts),
		exchange.Service(broker, mailing(sent)...))
}

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0)); err != nil {
		log.Fatal(err)
	}
}
