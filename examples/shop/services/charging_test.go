package services_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/services"
)

// provider takes payments, and is away from one time to another.
type provider struct {
	gone, back time.Time

	mu    sync.Mutex
	asked int
	taken map[string]int
}

func (p *provider) charge(_ context.Context, payment services.TakePayment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); !now.Before(p.gone) && now.Before(p.back) {
		p.asked++
		return fmt.Errorf("connection refused: %w", carillon.ErrUnavailable)
	}
	p.taken[payment.OrderID]++
	return nil
}

// TestPaymentsAwayForAMinute has the provider away for 60 s while ten orders a second are placed: all are accepted at once, none is parked,
// the provider is hardly asked, and soon after it is back each order is paid and shipped once.
func TestPaymentsAwayForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := &provider{gone: began.Add(10 * time.Second), back: began.Add(70 * time.Second), taken: make(map[string]int)}
		charging := services.NewCharging(p.charge)
		service, _ := shop.New(memory.Volatile(), "", append(services.All(services.NewTopics()), charging.Part(), app.LogTo(slog.New(slog.DiscardHandler)))...)
		running := run(t, service)
		status := func() services.Status {
			t.Helper()
			s, err := charging.Status(t.Context(), running)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		placed := 0
		for ; time.Since(began) < 80*time.Second; <-time.After(100 * time.Millisecond) {
			order := shop.PlaceOrder{Document: shop.Document{
				ID: fmt.Sprint("order-", placed), Country: "France", Lines: []shop.Line{{StockCode: "A", Quantity: 1, UnitPrice: 2500}},
			}}
			before := time.Now()
			if _, err := running.Bus.Send(t.Context(), order); err != nil || time.Since(before) > time.Second {
				t.Fatalf("order %d was accepted after %v: %v", placed, time.Since(before), err)
			}
			placed++
			if placed == 690 { // 69 s have passed
				if s := status(); s.Breaker == "closed" || s.WaitingKeys < 500 || s.DeadLetters != 0 || s.Paid > 110 {
					t.Errorf("while payments are away: %+v", s)
				}
			}
		}
		<-time.After(30 * time.Second)
		s := status()
		if s.Breaker != "closed" || s.Opened == 0 || s.WaitingKeys != 0 || s.DeadLetters != 0 || s.Paid != int64(placed) {
			t.Errorf("of %d orders, afterwards: %+v", placed, s)
		}
		progress, err := services.ProgressOf(t.Context(), running)
		if n := int64(placed); err != nil || progress.Shipments != n || progress.Notifications != n || progress.Reservations != n {
			t.Errorf("of %d orders: %+v, %v", placed, progress, err)
		}
		for order, times := range p.taken {
			if times != 1 {
				t.Errorf("%s was charged %d times", order, times)
			}
		}
		if len(p.taken) != placed || p.asked > 100 {
			t.Errorf("%d of %d orders were charged, and the provider was asked %d times while it was away", len(p.taken), placed, p.asked)
		}
	})
}
