package watermill_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/adapter/watermill"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/messaging"
)

type placed struct {
	Order  string
	Number int
}

func (p placed) Key() string { return p.Order }

// A service's outbox, relay, inbox and parking work over a Pub/Sub of watermill, which gives it one message at a time and loses each
// subscriber once: every message is handled once and in order, and one that fails for good is parked and lets the others go on.
func TestServicesOverWatermill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const keys, each = 5, 20
		place, store := newGroups(1), memory.Volatile()
		orders := messaging.NewTopic("orders", messaging.Event[placed]("order.placed"))
		var mu sync.Mutex
		handled := make(map[string][]int)
		consumer := messaging.Consume("shipping", orders,
			messaging.On(func(_ context.Context, tx *messaging.Tx, p placed) error {
				if p.Order == "order 0" && p.Number == 3 {
					return errors.New("no such warehouse")
				}
				mu.Lock()
				defer mu.Unlock()
				handled[p.Order] = append(handled[p.Order], p.Number)
				return messaging.Save(tx, p.Order, p.Number)
			}), messaging.Retry(consume.Retry{Attempts: 3}))
		engine := messaging.NewEngine(store, messaging.Over(place.source(watermill.InOrder())))
		if err := errors.Join(engine.Publishes(orders), engine.Add(consumer)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- engine.Run(ctx) }()
		for number := range each {
			for key := range keys {
				if err := engine.Publish(t.Context(), orders, placed{fmt.Sprint("order ", key), number}); err != nil {
					t.Fatal(err)
				}
			}
			if number == each/2 {
				synctest.Wait()
				place.endAll()
			}
		}
		<-time.After(time.Minute) // the time of the bubble
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		all := make([]int, each)
		for i := range all {
			all[i] = i
		}
		for key := range keys {
			order := fmt.Sprint("order ", key)
			want := all
			if key == 0 {
				want = all[:3]
			}
			if diff := cmp.Diff(want, handled[order]); diff != "" {
				t.Errorf("%s was handled (-want +got):\n%s", order, diff)
			}
		}
		letters, err := store.DeadLetters().Letters(t.Context(), "shipping", "order 0", 0, 100)
		if err != nil || len(letters) != each-3 || letters[0].Attempts != 3 {
			t.Errorf("%d letters are parked, error %v, want %d", len(letters), err, each-3)
		}
		settled := place.settled("orders", "shipping")
		slices.Sort(settled)
		if len(slices.Compact(settled)) != keys*each {
			t.Errorf("%d messages were acknowledged to watermill, want %d", len(settled), keys*each)
		}
	})
}
