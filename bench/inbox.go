package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/messaging"
)

// orderShipped is the name of the event that a shipment publishes.
const orderShipped = "order.shipped"

// Shipment is what an order leads to: the effect that is kept, and the event that is published.
type Shipment struct {
	Order    string `json:"order"`
	Customer string `json:"customer"`
	Country  string `json:"country"`
	Units    int64  `json:"units"`
}

// Key names whose order of events is kept.
func (s Shipment) Key() string { return s.Customer }

// ship handles an order. Every contestant calls it.
func ship(e OrderPlaced) Shipment {
	return Shipment{Order: e.Order, Customer: e.Customer, Country: e.Country, Units: e.Units}
}

// inboxes makes the contests of consumers whose inbox, effect and outbox share a transaction.
func inboxes(on func(context.Context, *workspace) (*backing, error)) func(context.Context, *workspace) (*contest, error) {
	return func(ctx context.Context, w *workspace) (*contest, error) {
		in, err := on(ctx, w)
		if err != nil {
			return nil, err
		}
		return inboxContest(w, in), nil
	}
}

func inboxContest(w *workspace, in *backing) *contest {
	const byHand, riverWork = "the same by hand", "River, empty jobs"
	work := in.name + ": inbox + effect + outbox, batches of 64"
	name := func(who string) string { return work + ": " + who }
	all := w.backlog()
	c := &contest{
		close: in.close,
		sides: []side{
			{
				name: name(byHand), unit: "messages",
				what: "pages of 1,024 rows, 64 of them to a flushed transaction: ids into the inbox, JSON decoded, the effect as JSON, an outbox row",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return in.onTable(ctx, func(t handTable) (result, error) { return inboxByHand(ctx, duration, t, all) })
				},
			},
			{
				name: name(carillonName), unit: "messages", what: "messaging.Consume with On, Save and Publish, from a topic of the store",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return in.product(ctx, func(p *product) (result, error) { return inboxProduct(ctx, duration, p, all) })
				},
			},
		},
		claims: []claim{{work: work, against: byHand, floor: 0.70, value: ratio(name(carillonName), name(byHand))}},
	}
	if in.pg == nil {
		return c
	}
	c.sides = append(c.sides, side{
		name: name(riverWork), unit: "jobs", what: "v0.51.1, 1,000 workers, jobs that do nothing, fetched without a pause",
		run: func(ctx context.Context, duration time.Duration) (result, error) {
			return riverWorks(ctx, in.pg, duration, min(all, riverJobs))
		},
	})
	c.claims = append(c.claims, claim{work: work, against: riverWork, floor: 1.3, unit: "×", value: ratio(name(carillonName), name(riverWork))})
	return c
}

// inboxProduct has a consumer of the product handle what waits. Everything that was handled must have been published once.
func inboxProduct(ctx context.Context, duration time.Duration, p *product, all int) (result, error) {
	if err := fillTopic(ctx, p, "shipping", all); err != nil {
		return result{}, err
	}
	keeps := p.store.(carillon.BrokerStore) // fillTopic has seen to that
	watching := keeps.Broker()
	if err := watching.Declare(ctx, carillon.Topic{Name: "shipments", Subscriptions: []string{"billing"}}); err != nil {
		return result{}, err
	}
	orders, shipments := ordersTopic(), messaging.NewTopic("shipments", messaging.Event[Shipment](orderShipped))
	var handled atomic.Int64
	shipping := messaging.Consume("shipping", orders, messaging.On(func(_ context.Context, tx *messaging.Tx, e OrderPlaced) error {
		shipment := ship(e)
		if err := messaging.Save(tx, shipment.Order, shipment); err != nil {
			return err
		}
		handled.Add(1)
		return tx.Publish(shipments, shipment)
	}))
	engine := messaging.NewEngine(p.store)
	if err := errors.Join(engine.Add(shipping), engine.Publishes(shipments)); err != nil {
		return result{}, err
	}
	got, err := running(ctx, engine, func() (result, error) {
		return drained(ctx, duration, all, func() (int64, error) { return handled.Load(), nil })
	})
	if err != nil {
		return result{}, err
	}
	prober, ok := watching.(carillon.Prober)
	if !ok {
		return result{}, carillon.ErrUnsupported
	}
	backlog, err := prober.Probe(ctx, "shipments", "billing")
	return got, errors.Join(err, checkShipped(backlog.Waiting, handled.Load()), watching.Close())
}

func checkShipped(published, handled int64) error {
	if published != handled {
		return fmt.Errorf("%d messages were handled, %d published", handled, published)
	}
	return nil
}

// inboxRow is a message that is handled by hand.
type inboxRow struct {
	id      [16]byte
	payload []byte
}

// decode reads the order.
func (r *inboxRow) decode() (e OrderPlaced, err error) {
	err = json.Unmarshal(r.payload, &e)
	return e, err
}

// inboxAtOnce is how many messages share a transaction.
const inboxAtOnce = 64

// inboxByHand handles what waits in a table.
func inboxByHand(ctx context.Context, duration time.Duration, table handTable, all int) (result, error) {
	request := newHandRequest()
	err := eachParcel(all, func(batch []parcel) error {
		request.parcels = batch
		return table.add([]*handRequest{request})
	})
	if err != nil {
		return result{}, err
	}
	var handled atomic.Int64
	var over atomic.Bool
	ended := make(chan error, 1)
	go func() { ended <- workOff(table, &handled, &over) }()
	got, err := drained(ctx, duration, all, func() (int64, error) { return handled.Load(), nil })
	over.Store(true)
	if err := errors.Join(err, <-ended); err != nil {
		return result{}, err
	}
	shipped, err := table.shipped()
	return got, errors.Join(err, checkShipped(shipped, handled.Load()))
}

func workOff(table handTable, handled *atomic.Int64, over *atomic.Bool) error {
	rows := make([]inboxRow, 0, handPage)
	for position := int64(0); !over.Load(); {
		rows = rows[:0]
		through, err := table.read(position, handPage, func(row handRow) error {
			rows = append(rows, inboxRow{id: [16]byte(row.id), payload: append([]byte(nil), row.payload...)})
			return nil
		})
		if err != nil || through == position {
			return err
		}
		for left := rows; len(left) > 0; {
			n := min(inboxAtOnce, len(left))
			if err := table.ship(left[:n]); err != nil {
				return err
			}
			handled.Add(int64(n))
			left = left[n:]
		}
		if err := table.settle(through); err != nil {
			return err
		}
		position = through
	}
	return nil
}
