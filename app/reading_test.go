package app_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/app"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/messaging"
)

// TestQueriesReadBehindAPosition asks here and from another service, after a command's position, and after one that the log does not reach
// in time.
func TestQueriesReadBehindAPosition(t *testing.T) {
	t.Parallel()
	requests := messaging.NewTopic("counters", messaging.Command[advance]("counter.advance"), messaging.Query[valueOf, int]("value"))
	between, quiet, model := memory.Volatile(), app.LogTo(slog.New(slog.DiscardHandler)), values()
	start := func(service *app.App) *cqrs.Bus {
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
			err = running.Messages.Ready(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return running.Bus
	}
	here := start(app.New(memory.Volatile(), counters(), model, valueQuery(model), messaging.Serve("counting", requests), app.Over(between), quiet))
	elsewhere := start(app.New(memory.Volatile(), messaging.Remote("asking", requests), app.Over(between), quiet))
	for n, bus := range []*cqrs.Bus{here, elsewhere} {
		done, err := bus.Send(t.Context(), advance{"a"})
		if err != nil {
			t.Fatal(err)
		}
		if value, err := cqrs.Ask[int](t.Context(), bus, valueOf{"a"}, cqrs.After(done.Last)); err != nil || value != n+1 {
			t.Errorf("the value is %d, error %v, want %d", value, err, n+1)
		}
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		if _, err := cqrs.Ask[int](ctx, bus, valueOf{"a"}, cqrs.After(done.Last+1)); !errors.Is(err, carillon.ErrTimeout) {
			t.Errorf("behind the log's end: %v", err)
		}
		if _, err := cqrs.Ask[int](t.Context(), bus, valueOf{"a"}, cqrs.After(-1)); !errors.Is(err, carillon.ErrInvalid) {
			t.Errorf("before the log's beginning: %v", err)
		}
	}
}
