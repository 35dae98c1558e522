package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
	"github.com/carillon-go/carillon/projection"
)

// The sides of the contest on rebuilding beside live traffic.
const (
	liveAlone  = "live traffic alone"
	liveBeside = "live traffic beside a rebuild"
)

// factTail is the 99th percentile of a request's time, in milliseconds.
const factTail = "p99 ms"

const (
	// liveEvery is the time between two requests of the live traffic.
	liveEvery = 5 * time.Millisecond
	// liveRequests is the least number of requests the traffic alone has, for its 99th percentile to mean something.
	liveRequests = 1000
)

// live is a service under traffic: each request appends an order, waits until the read model has it, and reads the customer's row.
type live struct {
	p      *product
	engine *projection.Engine
	view   projection.View[Customer]
	next   int
	orders map[string]int64 // of each customer, as last read
}

// rebuildLive holds the 99th percentile of live requests beside a rebuild of a read model over a long log against the same without.
func rebuildLive(ctx context.Context, w *workspace) (*contest, error) {
	w.say("  building a log of %s events", grouped(w.events))
	path := w.path("live.db")
	err := fillProduct(ctx, path, w.events, func(n int) (string, int64, carillon.Message) {
		customer := customerKey(n % readModelRows)
		return customerStream(customer), int64(n/readModelRows) + 1, carillon.Message{Key: customer, Payload: payloadFor(n, customer)}
	})
	if err != nil {
		return nil, err
	}
	p, err := openProduct(ctx, path)
	if err != nil {
		return nil, err
	}
	l := &live{p: p, engine: projection.NewEngine(p.log, p.store), next: w.events, orders: make(map[string]int64)}
	model := customersModel()
	l.view = projection.NewView(model, p.store.ReadModels(), codec.JSON())
	if err := l.engine.Add(model); err != nil {
		return nil, errors.Join(err, p.close())
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.engine.Run(running) }()
	closeAll := func() error {
		stop()
		<-ended
		return p.close()
	}
	if err := l.engine.WaitAll(ctx, carillon.Position(w.events)); err != nil {
		return nil, errors.Join(err, closeAll())
	}
	tail := func(o outcome) (spread, string) {
		alone, _ := fact(liveAlone, factTail)(o)
		beside := o.side(liveBeside)
		values := make([]float64, len(beside.results))
		for i, r := range beside.results {
			values[i] = r.facts[factTail] / alone.Median
		}
		return spreadOf(values), ""
	}
	return &contest{
		sides: []side{
			{name: liveAlone, unit: "requests", what: "an append every 5 ms, a wait for the read model, a read", run: l.alone},
			{name: liveBeside, unit: "requests", what: "the same while the read model is rebuilt, compared row by row and switched", run: l.beside},
		},
		claims: []claim{
			{
				work:    fmt.Sprintf("p99 of live requests beside a rebuild over %s events", grouped(w.events)),
				against: "p99 without the rebuild", ceiling: 1.5, value: tail,
			},
			{work: "… p99 without the rebuild", against: "–", unit: " ms", value: fact(liveAlone, factTail)},
		},
		close: closeAll,
	}, nil
}

// request does one request, and checks that a read neither misses a row nor goes back in time.
func (l *live) request(ctx context.Context) error {
	customer := customerKey(l.next % readModelRows)
	payload, err := json.Marshal(orderFor(l.next, customer))
	if err != nil {
		return err
	}
	l.next++
	appended, err := l.p.log.Append(ctx, carillon.Append{
		Stream: customerStream(customer), Expect: carillon.AnyVersion(),
		Events: []carillon.Message{{Kind: carillon.KindEvent, Type: orderPlaced, Key: customer, Payload: payload}},
	})
	if err != nil {
		return err
	}
	if err := l.engine.Wait(ctx, "customers", appended.Last); err != nil {
		return err
	}
	row, err := l.view.Get(ctx, customer)
	if err != nil {
		return err
	}
	if row.State.Orders <= l.orders[customer] {
		return fmt.Errorf("customer %s has %d orders after there were %d and one was placed", customer, row.State.Orders, l.orders[customer])
	}
	l.orders[customer] = row.State.Orders
	return nil
}

// traffic makes requests until done says so, and measures them.
func (l *live) traffic(ctx context.Context, done func(requests int) bool) (result, error) {
	var took []time.Duration
	watch := startWatch()
	pace := time.NewTicker(liveEvery)
	defer pace.Stop()
	for !done(len(took)) {
		<-pace.C
		start := time.Now()
		if err := l.request(ctx); err != nil {
			return result{}, err
		}
		took = append(took, time.Since(start))
	}
	got := watch.stop(int64(len(took)))
	slices.Sort(took)
	got.facts = map[string]float64{factTail: float64(took[len(took)*99/100].Microseconds()) / 1e3}
	return got, nil
}

func (l *live) alone(ctx context.Context, _ time.Duration) (result, error) {
	return l.traffic(ctx, func(requests int) bool { return requests >= liveRequests })
}

func (l *live) beside(ctx context.Context, _ time.Duration) (result, error) {
	rebuilt := make(chan error, 1)
	differences := 0
	go func() {
		rebuilt <- l.engine.Rebuild(ctx, "customers", projection.Compare(func(projection.Difference) error {
			differences++
			return nil
		}))
	}()
	var failure error
	ended := false
	got, err := l.traffic(ctx, func(requests int) bool {
		select {
		case failure = <-rebuilt:
			ended = true
		default:
		}
		return ended && requests > 0
	})
	if err == nil && differences > 0 {
		err = fmt.Errorf("%d rows differ after a rebuild of the same events", differences)
	}
	return got, errors.Join(err, failure)
}
