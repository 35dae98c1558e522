package messaging_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/messaging"
)

// TestStateOfOneTransaction has handlers that share a transaction see what those before them saved.
func TestStateOfOneTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const all = "all"
		orders := ordersTopic()
		largest, published := 0, make(chan struct{})
		counting := messaging.Consume("counting", orders, messaging.On(func(_ context.Context, tx *messaging.Tx, p placed) error {
			<-published // so that those behind the first share transactions
			count, _, err := messaging.Load[int](tx, all)
			if err != nil {
				return err
			}
			largest = max(largest, count+1)
			return messaging.Save(tx, all, count+1)
		}))
		engine := messaging.NewEngine(memory.Volatile())
		if err := engine.Publishes(orders); err != nil {
			t.Fatal(err)
		}
		if err := engine.Add(counting); err != nil {
			t.Fatal(err)
		}
		stop := run(t, engine)
		defer stop()
		const messages = 300
		for i := range messages {
			if err := engine.Publish(t.Context(), orders, placed{Order: fmt.Sprint(i), Number: i}); err != nil {
				t.Fatal(err)
			}
		}
		close(published)
		<-time.After(time.Second)
		kept, err := messaging.Kept[int](t.Context(), engine, "counting", all)
		if err != nil || kept != messages || largest != messages {
			t.Errorf("%d messages were counted, and %d kept, want %d: %v", largest, kept, messages, err)
		}
	})
}
