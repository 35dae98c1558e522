//go:build unix

package handoff_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/processes"
)

// frailDatabase opens the store of a process that may end at any point.
type frailDatabase struct {
	job    job
	points *processes.Fuse
}

// Open opens the store, however long the server takes to come back.
func (d frailDatabase) Open(ctx context.Context) (carillon.Store, error) {
	source := d.job.database(func(config *pgxpool.Config) {
		config.MaxConns = 6
		config.ConnConfig.Tracer = commits{d.points}
	})
	for {
		opened, err := source.Open(ctx)
		if err == nil {
			store := &frailStore{complete: opened.(complete), job: d.job, points: d.points}
			if shared, ok := opened.(carillon.LeaseStore); ok {
				return &sharedStore{store, shared}, nil
			}
			return store, nil
		}
		if !processes.Rest(ctx, 50*time.Millisecond) {
			return nil, err
		}
	}
}

// complete is what messaging asks of a store.
type complete interface {
	carillon.Store
	carillon.BrokerStore
	carillon.DeadLetterStore
}

// frailStore is a store in a process that may end at any point.
type frailStore struct {
	complete
	job    job
	points *processes.Fuse
}

// sharedStore is one that several processes may open.
type sharedStore struct {
	*frailStore
	carillon.LeaseStore
}

func (s *frailStore) Broker() carillon.Broker {
	return &frailBroker{Broker: s.complete.Broker(), job: s.job, points: s.points}
}

func (s *frailStore) ReadModels() carillon.ReadModels {
	return frailModels{s.complete.ReadModels(), s}
}

type frailModels struct {
	carillon.ReadModels
	store *frailStore
}

// handling marks the context of a transaction in which messages are handled.
type handling struct{}

func (m frailModels) Update(ctx context.Context, ref carillon.ModelRef, d carillon.Durability, fn func(carillon.ReadModelTx) error) error {
	points := m.store.points
	if ref.Name != billing && ref.Name != archive { // a forwarder's checkpoint, behind what it has published
		points.At("forwarded")
		return m.ReadModels.Update(ctx, ref, d, fn)
	}
	points.At("begun")
	err := m.ReadModels.Update(context.WithValue(ctx, handling{}, true), ref, d, func(tx carillon.ReadModelTx) error {
		if m.store.job.WithoutInbox {
			tx = forgetful{tx.(transaction)}
		}
		return fn(tx)
	})
	if err == nil {
		points.At("committed")
	}
	if m.store.job.Report {
		processes.Say(fmt.Sprintf("transaction %s %v", ref.Name, err))
	}
	return err
}

// commits tells when a transaction in which messages are handled commits, which it does with what it writes, rows of the outbox too.
type commits struct{ points *processes.Fuse }

func (c commits) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	queries := data.Batch.QueuedQueries
	if ctx.Value(handling{}) != nil && len(queries) > 0 && queries[len(queries)-1].SQL == "COMMIT" {
		c.points.At("before commit")
	}
	return ctx
}

func (commits) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (commits) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (commits) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (commits) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// transaction is what messaging asks of a transaction.
type transaction interface {
	carillon.ReadModelTx
	carillon.InboxTx
	carillon.OutboxTx
	carillon.ParkingTx
	carillon.SQLTx
}

// forgetful is a transaction that takes every message for a new one.
type forgetful struct{ transaction }

func (forgetful) Receive(receipts []carillon.Receipt) ([]bool, error) {
	first := make([]bool, len(receipts))
	for i := range first {
		first[i] = true
	}
	return first, nil
}

// frailOpener opens the broker of a process that may end at any point.
type frailOpener struct {
	inner  carillon.BrokerOpener
	job    job
	points *processes.Fuse
}

func (o frailOpener) OpenBroker(ctx context.Context) (carillon.Broker, error) {
	broker, err := o.inner.OpenBroker(ctx)
	if err != nil {
		return nil, err
	}
	return &frailBroker{Broker: broker, job: o.job, points: o.points}, nil
}

// frailBroker is a broker, or the store's topics, in a process that may end at any point.
type frailBroker struct {
	carillon.Broker
	job    job
	points *processes.Fuse
}

func (b *frailBroker) Publish(ctx context.Context, topic string, messages []carillon.Message) error {
	err := b.Broker.Publish(ctx, topic, messages)
	if err == nil && !b.Capabilities().Transactional { // the relay's, which marks them next
		b.points.At("confirmed")
	}
	return err
}

// relay is the name of the subscription that a relay has in the store's topics.
const relay = "relay"

func (b *frailBroker) Subscribe(ctx context.Context, topic, name string, options carillon.SubscribeOptions) (carillon.Subscription, error) {
	if name == relay {
		options.AckDeadline = b.job.Deadline // it is taken over as soon as a consumer
	}
	joined, err := b.Broker.Subscribe(ctx, topic, name, options)
	if err != nil {
		return nil, err
	}
	s := &frailSubscription{Subscription: joined, job: b.job, points: b.points, received: "received", settled: "acked"}
	if name == relay {
		s.job.EarlyAck, s.job.WithoutLoss = false, false
		s.received, s.settled = "to relay", "marked"
	}
	if extender, ok := joined.(carillon.Extender); ok {
		return extendable{s, extender}, nil
	}
	return s, nil
}

type frailSubscription struct {
	carillon.Subscription
	job               job
	points            *processes.Fuse
	received, settled string
}

type extendable struct {
	*frailSubscription
	carillon.Extender
}

func (s *frailSubscription) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	deliveries, err := s.Subscription.Receive(ctx, limit)
	if err != nil {
		return nil, err
	}
	if s.job.WithoutLoss {
		for i := range deliveries {
			deliveries[i].Lost = nil
		}
	}
	if s.job.EarlyAck {
		if err := s.Subscription.Ack(ctx, deliveries); err != nil {
			return nil, err
		}
		if !processes.Rest(ctx, time.Second) { // until it is written down
			return nil, errors.Join(ctx.Err(), carillon.ErrClosed)
		}
	}
	s.points.At(s.received)
	return deliveries, nil
}

func (s *frailSubscription) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	if s.job.EarlyAck {
		return nil
	}
	err := s.Subscription.Ack(ctx, deliveries)
	if err == nil {
		s.points.At(s.settled)
	}
	return err
}
