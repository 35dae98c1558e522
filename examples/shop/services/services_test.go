package services_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/services"
)

// run runs a service until the test ends.
func run(t *testing.T, service *app.App) *app.Running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	running, err := service.Running(t.Context())
	if err == nil {
		err = running.Messages.Ready(t.Context()) // what others publish from now on comes to it
	}
	if err != nil {
		t.Fatal(err)
	}
	return running
}

// place places orders and returns their sum and the units in them.
func place(t *testing.T, running *app.Running, orders int) (want services.Progress) {
	t.Helper()
	for i := range orders {
		order := shop.PlaceOrder{Document: shop.Document{ID: fmt.Sprint("order-", i), Country: "France", Lines: []shop.Line{
			{StockCode: "A", Quantity: int64(1 + i%3), UnitPrice: 2500}, {StockCode: fmt.Sprint("B", i%5), Quantity: 2, UnitPrice: 1000},
		}}}
		if _, err := running.Bus.Send(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		for _, line := range order.Lines {
			want.Units += line.Quantity
			sum, _ := line.UnitPrice.Times(line.Quantity)
			want.Paid += sum
		}
	}
	n := int64(orders)
	want.Payments, want.Shipments, want.Reservations, want.Notifications = n, n, n, n
	return want
}

// await waits until services have come as far as they must.
func await(t *testing.T, want services.Progress, all ...*app.Running) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		var got services.Progress
		for _, running := range all {
			p, err := services.ProgressOf(ctx, running)
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			got.Payments += p.Payments
			got.Paid += p.Paid
			got.Shipments += p.Shipments
			got.Reservations += p.Reservations
			got.Units += p.Units
			got.Notifications += p.Notifications
		}
		if got == want {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("the services have come to %+v, want %+v", got, want)
		}
	}
}

// TestServicesInOneProcess runs all services on one store.
func TestServicesInOneProcess(t *testing.T) {
	t.Parallel()
	service, _ := shop.New(memory.Volatile(), "", append(services.All(services.NewTopics()), app.LogTo(slog.New(slog.DiscardHandler)))...)
	running := run(t, service)
	await(t, place(t, running, 200), running)
}

// TestServicesApart runs each service on a store of its own, with a broker between them.
func TestServicesApart(t *testing.T) {
	t.Parallel()
	between := memory.Volatile()
	var all []*app.Running
	for _, name := range services.Names() {
		topics := services.NewTopics()
		settings := []carillon.Describer{app.Over(between), app.LogTo(slog.New(slog.DiscardHandler))}
		if name == "orders" {
			service, _ := shop.New(memory.Volatile(), "", append(settings, services.Beside(topics)...)...)
			all = append(all, run(t, service))
			continue
		}
		parts, err := services.Of(name, topics)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, run(t, app.New(memory.Volatile(), append(parts, settings...)...)))
	}
	await(t, place(t, all[0], 200), all...)
}
