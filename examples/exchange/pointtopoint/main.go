// Pointtopoint shares work out: consumers of one name compete for the messages of a topic, and each message goes to one of them.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/exchange"
	"github.com/carillon-go/carillon/messaging"
)

// Parcel is a document: work to be done once.
type Parcel struct{ ID string }

// Key is what order is kept per.
func (p Parcel) Key() string { return p.ID }

var parcels = messaging.NewTopic("parcels", messaging.Document[Parcel]("parcel"))

// packer is one of several that share the work: their consumer has one name.
func packer(number int, packed chan<- int) *messaging.Consumer {
	return messaging.Consume("packing", parcels,
		messaging.On(func(context.Context, *messaging.Tx, Parcel) error {
			packed <- number
			return nil
		}))
}

func run(ctx context.Context, out *log.Logger) error {
	const work = 100
	broker, packed := memory.Volatile(), make(chan int, work)
	return exchange.Together(ctx, func(ctx context.Context, shop *app.Running) error {
		share := make(map[int]int)
		for i := 0; len(share) < 2; i++ { // one may be at work before the other has come
			if err := shop.Messages.Publish(ctx, parcels, Parcel{ID: fmt.Sprint("trial-", i)}); err != nil {
				return err
			}
			share[<-packed]++
		}
		trials := share[1] + share[2]
		for i := range work {
			if err := shop.Messages.Publish(ctx, parcels, Parcel{ID: fmt.Sprint("parcel-", i)}); err != nil {
				return err
			}
		}
		for range work {
			share[<-packed]++
		}
		out.Printf("%d parcels were packed by %d packers", share[1]+share[2]-trials, len(share))
		return nil
	},
		exchange.Service(broker, parcels),
		exchange.Service(broker, packer(1, packed)),
		exchange.Service(broker, packer(2, packed)))
}

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0)); err != nil {
		log.Fatal(err)
	}
}
