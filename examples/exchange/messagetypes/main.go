// Messagetypes has one message of each kind: a command may be rejected, an event is a fact, a query asks, a document is data without intent.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
)

type (
	// RingBell asks for something: its handler may say no.
	RingBell struct{ Tower string }
	// BellRung says what has happened: nobody can say no.
	BellRung struct{ Tower string }
	// Rung asks for an answer, and changes nothing.
	Rung struct{ Tower string }
	// Score is data: what is done with it is the receiver's business.
	Score struct{ Notes []string }
)

var (
	requests = messaging.NewTopic("tower",
		messaging.Command[RingBell]("bell.ring"),
		messaging.Query[Rung, int]("bell.rung"))
	news = messaging.NewTopic("news",
		messaging.Event[BellRung]("bell.rung"),
		messaging.Document[Score]("score"))
)

// tower rings, and tells the news.
func tower() []carillon.Describer {
	rung := 0
	return []carillon.Describer{
		cqrs.Command("bell.ring", func(_ context.Context, _ *carillon.Message, c RingBell) (carillon.Appended, error) {
			if c.Tower == "" {
				return carillon.Appended{}, carillon.Rejectf("which tower?")
			}
			rung++
			return carillon.Appended{}, nil
		}),
		cqrs.Query("bell.rung", func(context.Context, Rung) (int, error) { return rung, nil }),
		messaging.Serve("tower", requests),
	}
}

// town hears the news.
func town(heard chan<- string) *messaging.Consumer {
	hear := func(tx *messaging.Tx) error {
		heard <- fmt.Sprintf("the town hears the %s %s", tx.Message().Kind, tx.Message().Type)
		return nil
	}
	return messaging.Consume("town", news,
		messaging.On(func(_ context.Context, tx *messaging.Tx, _ BellRung) error { return hear(tx) }),
		messaging.On(func(_ context.Context, tx *messaging.Tx, _ Score) error { return hear(tx) }))
}

func run(ctx context.Context, out *log.Logger) error {
	broker, heard := memory.Volatile(), make(chan string, 10)
	return exchange.Together(ctx, func(ctx context.Context, ringer *app.Running) error {
		_, err := ringer.Bus.Send(ctx, RingBell{})
		out.Println("a command may be rejected:", err)
		if _, err = ringer.Bus.Send(ctx, RingBell{Tower: "north"}); err != nil {
			return err
		}
		rung, err := cqrs.Ask[int](ctx, ringer.Bus, Rung{Tower: "north"})
		if err != nil {
			return err
		}
		out.Println("a query has an answer:", rung)
		for _, message := range []any{BellRung{Tower: "north"}, Score{Notes: []string{"c", "e", "g"}}} {
			if err := ringer.Messages.Publish(ctx, news, message); err != nil {
				return err
			}
		}
		for _, line := range slices.Sorted(slices.Values([]string{<-heard, <-heard})) {
			out.Println(line)
		}
		return nil
	},
		exchange.Service(broker, news, messaging.Remote("ringer", requests)),
		exchange.Service(broker, tower()...),
		exchange.Service(broker, town(heard)))
}

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0)); err != nil {
		log.Fatal(err)
	}
}
