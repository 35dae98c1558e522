package services

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/middleware"
)

// Charge takes the money of a payment from the customer: once, however often it is asked for the same order. An error that is
// [carillon.ErrUnavailable] says that nobody is there to ask.
type Charge func(ctx context.Context, payment TakePayment) error

// chargeLimit is how long a provider has to answer.
const chargeLimit = 5 * time.Second

// Charging has a provider take the money before a payment is noted. While the provider is away a circuit breaker keeps it from being asked,
// and orders wait, each behind those of its key.
type Charging struct {
	charge  Charge
	breaker *middleware.Breaker

	mu      sync.Mutex
	waiting map[string]time.Time // keys that were refused, and when last
}

// NewCharging makes it of a provider, and settings of its breaker. Without a provider the money is taken at once.
func NewCharging(charge Charge, options ...middleware.BreakerOption) *Charging {
	if charge == nil {
		charge = func(context.Context, TakePayment) error { return nil }
	}
	return &Charging{charge: charge, breaker: middleware.NewBreaker("payments", options...), waiting: make(map[string]time.Time)}
}

// Part wraps the command that takes a payment.
func (c *Charging) Part() carillon.Describer { return app.Use(c.middleware) }

func (c *Charging) middleware(next carillon.Handler) carillon.Handler {
	return func(ctx context.Context, m *carillon.Message) (any, error) {
		payment, ok := m.Value.(TakePayment)
		if !ok {
			return next(ctx, m)
		}
		_, err := middleware.Call(ctx, "charge", func(ctx context.Context) (any, error) { return nil, c.charge(ctx, payment) },
			c.breaker.Middleware, middleware.Timeout(chargeLimit))
		c.note(payment.Key(), err)
		if err != nil {
			return nil, err
		}
		return next(ctx, m)
	}
}

// note notes whether a key waits.
func (c *Charging) note(key string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.waiting[key] = time.Now()
		return
	}
	delete(c.waiting, key)
}

// forgotten is after what time a key does not count as waiting that nobody has asked for again: another process has it.
const forgotten = 2 * time.Minute

// waits is how many keys wait.
func (c *Charging) waits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, last := range c.waiting {
		if time.Since(last) > forgotten {
			delete(c.waiting, key)
		}
	}
	return len(c.waiting)
}

// ChargeAt asks a provider at a URL: it is sent the payment as JSON by POST, with the order as idempotency key. A status of 4xx is its no;
// any other than 2xx means that it is away.
func ChargeAt(url string, client *http.Client) Charge {
	return func(ctx context.Context, payment TakePayment) error {
		body, err := json.Marshal(payment)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return carillon.Invalidf("payments provider", "its address is a URL")
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", payment.OrderID)
		answer, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("payments provider: %w: %w", carillon.ErrUnavailable, err)
		}
		defer func() { _ = answer.Body.Close() }()
		_, _ = io.CopyN(io.Discard, answer.Body, 1<<16) // so that the connection is used again
		switch answer.StatusCode / 100 {
		case 2:
			return nil
		case 4:
			return carillon.Rejectf("the payments provider refuses order %s: %s", payment.OrderID, answer.Status)
		default:
			return fmt.Errorf("payments provider: %s: %w", answer.Status, carillon.ErrUnavailable)
		}
	}
}
