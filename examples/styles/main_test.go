package styles_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/sqlite"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/examples/shop/services"
	"github.com/carillon-go/carillon/examples/styles"
)

func TestMain(m *testing.M) {
	if directory := os.Getenv(childDirectory); directory != "" {
		os.Exit(child(directory))
	}
	os.Exit(m.Run())
}

// answers are the three styles, by name.
func answers() map[string]styles.Answer {
	return map[string]styles.Answer{"event-driven": styles.Booked, "event streaming": styles.Viewed, "stateful streaming": styles.Totalled}
}

// parts are the three styles on the orders of a shop.
func parts(topics services.Topics) []carillon.Describer {
	return slices.Concat(styles.EventDriven(topics.Orders), styles.EventStreaming(), styles.StatefulStreaming(topics.Orders))
}

// newShop is a shop in a directory that tells others about its orders, with more parts.
func newShop(directory string, topics services.Topics, more ...carillon.Describer) *app.App {
	more = append(more, services.Beside(topics)...)
	service, _ := shop.New(sqlite.File(filepath.Join(directory, "shop.db")), "", append(more, app.LogTo(slog.New(slog.DiscardHandler)))...)
	return service
}

// start runs a service until stop is called.
func start(t testing.TB, service *app.App) (running *app.Running, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	running, err := service.Running(ctx)
	if err == nil {
		err = running.Messages.Ready(ctx)
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	return running, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// order is the order of a number; every fourth is cancelled, if it is asked for.
func order(number int) shop.PlaceOrder {
	countries := []string{"France", "Iceland", "Japan"}
	return shop.PlaceOrder{Document: shop.Document{
		ID: fmt.Sprint("order-", number), Country: countries[number%len(countries)], Date: time.Date(2026, 11, 1+number%2, 12, 0, 0, 0, time.UTC),
		Lines: []shop.Line{{StockCode: "A", Quantity: int64(1 + number%5), UnitPrice: 1250}},
	}}
}

// place places an order, and cancels every fourth, as often as it is called with one outcome.
func place(ctx context.Context, running *app.Running, number int) error {
	placed := order(number)
	if _, err := running.Bus.Send(ctx, placed, cqrs.WithID("place-"+placed.ID)); err != nil {
		return err
	}
	if number%4 != 3 {
		return nil
	}
	_, err := running.Bus.Send(ctx, shop.CancelOrder{ID: placed.ID}, cqrs.WithID("cancel-"+placed.ID))
	return err
}

// expected adds up orders from a number up to another, in a loop and nothing else.
func expected(from, to int, cancelled bool) map[string]styles.Sales {
	sales := make(map[string]styles.Sales)
	for number := from; number < to; number++ {
		o := order(number)
		key := styles.Key(o.Country, o.Date.Format(time.DateOnly))
		s := sales[key]
		if number%4 != 3 || !cancelled {
			s.Orders++
			s.Net += o.Lines[0].UnitPrice * money.Amount(o.Lines[0].Quantity)
		}
		sales[key] = s
	}
	return sales
}

// ask asks for all sales that are expected, with keys for those that are none.
func ask(ctx context.Context, running *app.Running, answer styles.Answer, keys map[string]styles.Sales) (map[string]styles.Sales, error) {
	got := make(map[string]styles.Sales)
	for key := range keys {
		sales, err := answer(ctx, running, key)
		if err != nil {
			return nil, err
		}
		got[key] = sales
	}
	return got, nil
}

// await waits until a style answers what is expected.
func await(ctx context.Context, running *app.Running, answer styles.Answer, want map[string]styles.Sales) error {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, err := ask(ctx, running, answer, want)
		if err == nil && maps.Equal(want, got) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("it answers %v, want %v: %w", got, want, ctx.Err())
		}
	}
}

// awaitAll waits until every style answers what is expected of it.
func awaitAll(t *testing.T, running *app.Running, want map[string]map[string]styles.Sales) {
	t.Helper()
	for name, answer := range answers() {
		if err := await(t.Context(), running, answer, want[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// alike expects the same of every style.
func alike(sales map[string]styles.Sales) map[string]map[string]styles.Sales {
	want := make(map[string]map[string]styles.Sales)
	for name := range answers() {
		want[name] = sales
	}
	return want
}

func placeAll(t testing.TB, running *app.Running, from, to int) {
	t.Helper()
	for number := from; number < to; number++ {
		if err := place(t.Context(), running, number); err != nil {
			t.Fatal(err)
		}
	}
}

// forwarded waits until the topic has what the log says.
func forwarded(t testing.TB, running *app.Running) {
	t.Helper()
	head, err := running.Log.Head(t.Context())
	if err == nil {
		err = running.Projections.Wait(t.Context(), "forward/orders", head)
	}
	if err != nil {
		t.Fatal(err)
	}
}
