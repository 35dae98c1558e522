package app_test

import (
	"context"
	"errors"
	"testing"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/eventlog"
	"github.com/carillon-go/carillon/messaging"
)

type jotted struct{ Text string }

// TestWithoutAnObserverNothingIsPaid counts what the hot paths allocate in a service that nobody observes: what they did before they could
// be observed.
func TestWithoutAnObserverNothingIsPaid(t *testing.T) {
	store, err := memory.Volatile().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	elsewhere := carillon.Topic{Name: "notes", Subscriptions: []string{"elsewhere"}}
	if err := store.(carillon.BrokerStore).Broker().Declare(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	log := eventlog.New(store.Log())
	contract, err := cqrs.NewContract(cqrs.Command("note", func(context.Context, *carillon.Message, jotted) (carillon.Appended, error) {
		return carillon.Appended{}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	bus := cqrs.NewBus(contract, cqrs.Recover(), cqrs.Correlate(), cqrs.Validate())
	notes := messaging.NewTopic("notes", messaging.Event[jotted]("noted"))
	engine := messaging.NewEngine(store)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	handled := make(chan struct{}, 1)
	consumed := messaging.NewTopic("consumed", messaging.Event[jotted]("jotted"))
	if err := errors.Join(engine.Publishes(notes), engine.Publishes(consumed), engine.Add(messaging.Consume("reader", consumed,
		messaging.On(func(context.Context, *messaging.Tx, jotted) error {
			handled <- struct{}{}
			return nil
		})))); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- engine.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if err := engine.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	events := []carillon.Message{{Type: "noted", Payload: []byte("{}")}}
	for _, path := range []struct {
		name string
		most float64
		do   func() error
	}{
		{"append", 8, func() error {
			events[0].ID = ""
			_, err := log.Append(ctx, carillon.Append{Events: events})
			return err
		}},
		{"dispatch", 5, func() error {
			_, err := bus.Send(ctx, jotted{})
			return err
		}},
		{"publish", 18, func() error { return engine.Publish(ctx, notes, jotted{}) }},
		{"publish and consume", 42, func() error {
			err := engine.Publish(ctx, consumed, jotted{})
			<-handled
			return err
		}},
	} {
		allocated := testing.AllocsPerRun(2000, func() {
			if err := path.do(); err != nil {
				t.Error(err)
			}
		})
		t.Logf("%s: %v allocations", path.name, allocated)
		if allocated > path.most {
			t.Errorf("%s: %v allocations, want at most %v", path.name, allocated, path.most)
		}
	}
}
