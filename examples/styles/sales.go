package styles

import (
	"context"
	"errors"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/examples/shop"
	"github.com/carillon-go/carillon/examples/shop/money"
	"github.com/carillon-go/carillon/messaging"
)

// Sales are the orders of a country on a day, without those that were cancelled.
type Sales struct {
	Orders int64        `json:"orders"`
	Net    money.Amount `json:"net"`
}

// Key names a country and a day.
func Key(country, day string) string { return country + " " + day }

func keyOf(p shop.Posted) string { return Key(p.Country, p.Day()) }

// Placed counts an order.
func (s Sales) Placed(e shop.OrderPlaced) Sales { return s.add(1, e.Net) }

// Cancelled takes an order back.
func (s Sales) Cancelled(e shop.OrderCancelled) Sales { return s.add(-1, -e.Net) }

func (s Sales) add(orders int64, net money.Amount) Sales {
	s.Orders += orders
	s.Net += net
	return s
}

// Answer answers the question for a country and a day, in one of the styles.
type Answer func(ctx context.Context, running *app.Running, key string) (Sales, error)

// Booked is the answer of the event-driven style.
func Booked(ctx context.Context, running *app.Running, key string) (Sales, error) {
	return row(ctx, running, "booked", key)
}

// Viewed is the answer of the event streaming style.
func Viewed(ctx context.Context, running *app.Running, key string) (Sales, error) {
	return row(ctx, running, "sales", key)
}

// Totalled is the answer of the stateful streaming style.
func Totalled(ctx context.Context, running *app.Running, key string) (Sales, error) {
	return messaging.Kept[Sales](ctx, running.Messages, "totals", key)
}

// row reads a row of a read model; none is the zero value.
func row(ctx context.Context, running *app.Running, model, key string) (sales Sales, err error) {
	found, _, err := running.Store.ReadModels().Row(ctx, carillon.ModelRef{Name: model}, key)
	if errors.Is(err, carillon.ErrNotFound) {
		return sales, nil
	}
	if err == nil {
		err = running.Codec.Decode(found.Value, &sales)
	}
	return sales, err
}
