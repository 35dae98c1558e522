package services

import (
	"context"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
)

// Status is how payments fare at one moment.
type Status struct {
	// Now is the server's time, that of the breaker's periods.
	Now time.Time `json:"now"`
	// Breaker is the state of the circuit breaker before the payments provider, Opened how often it has opened.
	Breaker string `json:"breaker"`
	Opened  int    `json:"opened"`
	// History is the last periods of the breaker, in order; each lasts until the next.
	History []Period `json:"history"`
	// Paid is how many orders were paid, WaitingKeys how many keys wait for the provider, DeadLetters how many messages are parked.
	Paid        int64 `json:"paid"`
	WaitingKeys int   `json:"waiting_keys"`
	DeadLetters int64 `json:"dead_letters"`
}

// Period is a time the breaker spent in one state.
type Period struct {
	State string    `json:"state"`
	Since time.Time `json:"since"`
}

// Status reads how payments fare whose service this is.
func (c *Charging) Status(ctx context.Context, running *app.Running) (Status, error) {
	status := c.breaker.Status()
	s := Status{Breaker: status.State.String(), Opened: status.Opened, WaitingKeys: c.waits()}
	for _, period := range c.breaker.History() {
		s.History = append(s.History, Period{State: period.State.String(), Since: period.Since})
	}
	s.Now = time.Now().UTC()
	paid, err := row[Paid](ctx, running.Store, "paid")
	if err != nil {
		return s, err
	}
	s.Paid = paid.Payments
	s.DeadLetters, err = deadLetters(ctx, running.Store, "payments")
	return s, err
}

// deadLetters counts what a consumer has parked.
func deadLetters(ctx context.Context, store carillon.Store, consumer string) (count int64, err error) {
	parks, ok := store.(carillon.DeadLetterStore)
	if !ok {
		return 0, nil
	}
	keys, err := parks.DeadLetters().Keys(ctx, consumer)
	for _, key := range keys {
		count += key.Letters
	}
	return count, err
}
