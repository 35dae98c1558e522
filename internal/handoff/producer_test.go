//go:build unix

package handoff_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/messaging"
)

// The points that producers come to, and those that only one that appends comes to, or only one with a relay.
var (
	producerPoints = []string{"published", "entered"}
	appenderPoints = []string{"forwarded"}
	relayPoints    = []string{"to relay", "confirmed", "marked"}
)

// produce are the parts of a producer. One publishes; another appends to the log of the service, from where events are forwarded.
func (j job) produce(topics exchange, points *processes.Fuse) []carillon.Describer {
	p := producer{job: j, points: points, orders: topics.orders}
	if j.Task == "append" {
		return []carillon.Describer{messaging.Forward(p.orders), p}
	}
	return []carillon.Describer{p.orders, p}
}

// producer is a server that places orders, for some accounts side by side, until the service stops. What a predecessor that died left
// open it sends again.
type producer struct {
	job    job
	points *processes.Fuse
	orders *messaging.Topic
}

func (p producer) Describe() carillon.Description {
	return carillon.Description{Kind: "server", Name: "producer"}
}

func (p producer) Serve(ctx context.Context, service *app.Running) error {
	last, err := processes.ReadLedger(p.job.Ledger)
	if err != nil {
		return err
	}
	ledger, err := processes.OpenLedger(p.job.Ledger)
	if err != nil {
		return err
	}
	failures := make([]error, p.job.Writers)
	var writing sync.WaitGroup
	for w := range p.job.Writers {
		account := fmt.Sprintf("%s.%d", p.job.Name, w)
		writing.Go(func() { failures[w] = p.write(ctx, service, ledger, placed{account, last[account]}) })
	}
	writing.Wait()
	return errors.Join(failures...)
}

// write places the orders of an account after one.
func (p producer) write(ctx context.Context, service *app.Running, ledger *processes.Ledger, order placed) error {
	for p.job.Most == 0 || order.N < p.job.Most {
		if _, err := os.Stat(p.job.Enough); !processes.Rest(ctx, p.job.Pace) || err == nil {
			return nil
		}
		order.N++
		for p.place(ctx, service, order) != nil { // nobody knows whether it was placed: it is sent again, under its id
			if !processes.Rest(ctx, 20*time.Millisecond) {
				return nil
			}
		}
		p.points.At("published")
		if err := ledger.Add(order.Account, order.N); err != nil {
			return err
		}
		p.points.At("entered")
	}
	return nil
}

// place places an order. What was begun is ended when the service stops.
func (p producer) place(ctx context.Context, service *app.Running, order placed) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if p.job.Task != "append" {
		return service.Messages.Publish(ctx, p.orders, order, messaging.WithID(order.ID()))
	}
	payload, err := service.Codec.Encode(order)
	if err != nil {
		return err
	}
	_, err = service.Log.Append(ctx, carillon.Append{
		Stream: "order-" + order.Account, Expect: carillon.AnyVersion(), Command: &carillon.CommandGuard{ID: order.ID()},
		Events: []carillon.Message{{Type: placedType, Key: order.Account, Payload: payload}},
	})
	return err
}
