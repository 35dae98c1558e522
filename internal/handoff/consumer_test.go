//go:build unix

package handoff_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/messaging"
)

// consumerPoints are the points that consumers come to. Only a PostgreSQL store says when it commits.
var consumerPoints = []string{"received", "begun", "handled", "before commit", "committed", "acked"}

// errStopping is what a handler fails with that takes the end of the process for a failure.
var errStopping = errors.New("the process stops")

// consume are the parts of a process that consumes orders, publishes bills, and consumes those. stopping ends when it is told to stop.
func (j job) consume(stopping context.Context, topics exchange, points *processes.Fuse) []carillon.Describer {
	effect := func(ctx context.Context, tx *messaging.Tx, stage string, account string, n int64) error {
		table, err := tx.SQL()
		if err != nil {
			return err
		}
		_, err = table.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s (stage, account, n) VALUES ($1, $2, $3)", j.effects()), stage, account, n)
		if err != nil {
			return err
		}
		if j.Work > 0 && !processes.Rest(ctx, j.Work) {
			return ctx.Err()
		}
		if j.CountsShutdown && stopping.Err() != nil {
			return errStopping
		}
		return nil
	}
	settings := []messaging.ConsumerPart{
		messaging.AckDeadline(j.Deadline),
		messaging.Retry(consume.Retry{Attempts: j.Attempts, Last: time.Second}),
	}
	bill := messaging.On(func(ctx context.Context, tx *messaging.Tx, order placed) error {
		if err := effect(ctx, tx, billing, order.Account, order.N); err != nil {
			return err
		}
		err := tx.Publish(topics.bills, billed(order))
		points.At("handled")
		return err
	})
	file := messaging.On(func(ctx context.Context, tx *messaging.Tx, bill billed) error {
		return effect(ctx, tx, archive, bill.Account, bill.N)
	})
	return []carillon.Describer{
		topics.bills,
		messaging.Consume(billing, topics.orders, append(settings, bill)...),
		messaging.Consume(archive, topics.bills, append(settings, file)...),
	}
}
