package messaging_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/messaging"
)

// TestAPublisherAlone is a service that only publishes, to its store's own topics: it goes on doing so until it is stopped.
func TestAPublisherAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		orders, store := ordersTopic(), memory.Volatile()
		must(t, store.Broker().Declare(t.Context(), carillon.Topic{Name: orders.Name(), Subscriptions: []string{"another"}}))
		e := messaging.NewEngine(store)
		must(t, e.Publishes(orders))
		stop := run(t, e)
		for number := range 3 {
			elapse(time.Hour)
			must(t, e.Publish(t.Context(), orders, placed{"order", number}))
		}
		stop()
	})
}
