package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-go/carillon"
	adapter "github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/messaging"
)

// backlog is how many messages wait when a run begins that works them off.
func (w *workspace) backlog() int {
	if w.quick {
		return 6_000
	}
	return 60_000
}

// drained times work that goes on by itself, from the first that count finds done on, until all is done or the duration is over.
func drained(ctx context.Context, duration time.Duration, all int, count func() (int64, error)) (result, error) {
	var clock watch
	var before, now int64
	begun := false
	limited, cancel := context.WithTimeout(ctx, duration+handledLimit)
	defer cancel()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		var err error
		if now, err = count(); err != nil {
			return result{}, err
		}
		if !begun && now > 0 {
			clock, before, begun = startWatch(), now, true
		}
		if begun && (now >= int64(all) || time.Since(clock.start) >= duration) {
			return clock.stop(now - before), nil
		}
		select {
		case <-look.C:
		case <-limited.Done():
			return result{}, fmt.Errorf("%d of %d were done: %w", now, all, limited.Err())
		}
	}
}

// eachParcel calls a function with messages, a thousand at a time.
func eachParcel(count int, publish func([]parcel) error) error {
	c := newCrossing(traffic{callers: 1, batch: min(count, 1000)})
	for round := range count / c.batch {
		if err := publish(c.parcels(0, int64(round))); err != nil {
			return err
		}
	}
	return nil
}

// relaying is the server that outboxes are relayed to.
type relaying struct {
	url     string
	options []adapter.Option
	hand    *handJetStream // to look with
}

// openRelaying is a server that flushes every message, or one of its own that flushes later.
func openRelaying(ctx context.Context, w *workspace, later bool) (_ *relaying, stop func() error, err error) {
	r, stopServer := &relaying{}, func() error { return nil }
	if later {
		r.options = []adapter.Option{adapter.FlushedLater()}
		r.url, stopServer, err = startNATS(ctx, w)
	} else {
		r.url, err = server(natsURL)
	}
	if err != nil {
		return nil, nil, err
	}
	if r.hand, err = dialJetStream(r.url, fresh()); err != nil {
		return nil, nil, errors.Join(err, stopServer())
	}
	return r, func() error { return errors.Join(r.hand.close(), stopServer()) }, nil
}

// count returns how many messages a stream has. One that is not there has none.
func (r *relaying) count(ctx context.Context, stream string) func() (int64, error) {
	return func() (int64, error) {
		found, err := r.hand.js.Stream(ctx, stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return int64(found.CachedInfo().State.Msgs), nil
	}
}

// ordersTopic is what the product relays and consumes.
func ordersTopic() *messaging.Topic {
	return messaging.NewTopic("orders", messaging.Event[OrderPlaced](orderPlaced))
}

// fillTopic publishes messages to a topic of a store for a subscription that waits.
func fillTopic(ctx context.Context, p *product, subscription string, count int) error {
	keeps, ok := p.store.(carillon.BrokerStore)
	if !ok {
		return carillon.ErrUnsupported
	}
	broker := keeps.Broker()
	err := broker.Declare(ctx, carillon.Topic{Name: "orders", Subscriptions: []string{subscription}})
	if err == nil {
		err = eachParcel(count, func(batch []parcel) error { return broker.Publish(ctx, "orders", messagesOf(batch)) })
	}
	return errors.Join(err, broker.Close())
}

// running runs an engine while work is done, and ends it.
func running(ctx context.Context, engine *messaging.Engine, work func() (result, error)) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	got, err := work()
	cancel()
	return got, errors.Join(err, <-ended)
}

// relayProduct has the product's relay pass on what waits in a store.
func (r *relaying) relayProduct(ctx context.Context, duration time.Duration, p *product, all int) (result, error) {
	if err := fillTopic(ctx, p, "relay", all); err != nil {
		return result{}, err
	}
	prefix := fresh()
	engine := messaging.NewEngine(p.store, messaging.Over(adapter.Server(r.url, append(r.options, adapter.Prefix(prefix))...)))
	if err := engine.Publishes(ordersTopic()); err != nil {
		return result{}, err
	}
	return running(ctx, engine, func() (result, error) { return drained(ctx, duration, all, r.count(ctx, prefix+"_orders")) })
}

// relayHand has a loop by hand pass on what waits in a table: a page is published without waiting for one another, then all are waited
// for, then they are noted and deleted.
func (r *relaying) relayHand(ctx context.Context, duration time.Duration, table handTable, all int) (result, error) {
	request := newHandRequest()
	err := eachParcel(all, func(batch []parcel) error {
		request.parcels = batch
		return table.add([]*handRequest{request})
	})
	if err != nil {
		return result{}, err
	}
	stream := fresh()
	to, err := openHandJetStream(ctx, r.url, stream, nil)
	if err != nil {
		return result{}, err
	}
	var over atomic.Bool
	ended := make(chan error, 1)
	go func() { ended <- relayByHand(ctx, to, table, &over) }()
	got, err := drained(ctx, duration, all, r.count(ctx, stream))
	over.Store(true)
	return got, errors.Join(err, <-ended, to.close())
}

// relays makes the contests of outboxes in a database, relayed to a server that flushes every message, or later.
func relays(on func(context.Context, *workspace) (*backing, error), later bool) func(context.Context, *workspace) (*contest, error) {
	return func(ctx context.Context, w *workspace) (*contest, error) {
		from, err := on(ctx, w)
		if err != nil {
			return nil, err
		}
		to, stop, err := openRelaying(ctx, w, later)
		if err != nil {
			return nil, errors.Join(err, from.close())
		}
		c := to.contest(w, from, later)
		c.close = func() error { return errors.Join(stop(), from.close()) }
		return c, nil
	}
}

func (r *relaying) contest(w *workspace, from *backing, later bool) *contest {
	work := "outbox relay, " + from.name + " → JetStream, flushed"
	if later {
		work += " later"
	}
	const byHand, forwarder = "a batch relay by hand", "watermill forwarder"
	name := func(who string) string { return work + ": " + who }
	all := w.backlog()
	c := &contest{
		sides: []side{
			{
				name: name(byHand), unit: "messages",
				what: "512 rows read, published asynchronously, all confirms awaited; then they are noted and deleted, not flushed",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return from.onTable(ctx, func(t handTable) (result, error) { return r.relayHand(ctx, duration, t, all) })
				},
			},
			{
				name: name(carillonName), unit: "messages", what: "the relay of package messaging, from a topic of the store",
				run: func(ctx context.Context, duration time.Duration) (result, error) {
					return from.product(ctx, func(p *product) (result, error) { return r.relayProduct(ctx, duration, p, all) })
				},
			},
		},
		claims: []claim{{work: work, against: byHand, floor: 0.80, value: ratio(name(carillonName), name(byHand))}},
	}
	if from.pg == nil {
		return c
	}
	c.sides = append(c.sides, side{
		name: name(forwarder), unit: "messages", what: "v1.5.1, from watermill-sql v4.1.2 to watermill-nats v2.1.3, which tracks ids and does not provision",
		run: func(ctx context.Context, duration time.Duration) (result, error) {
			return r.relayMill(ctx, duration, from.pg, all)
		},
	})
	c.claims = append(c.claims, claim{work: work, against: forwarder, floor: 20, unit: "×", value: ratio(name(carillonName), name(forwarder))})
	return c
}
