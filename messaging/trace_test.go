package messaging_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/messaging"
)

// TestTraceContextOfStrangers publishes messages past the engine, with trace context that is none: it is left out of what comes of them, and
// fails nothing. What is valid is carried on without any observer.
func TestTraceContextOfStrangers(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, test := range []struct {
		name        string
		given, want carillon.Trace
	}{
		{"valid", carillon.Trace{Parent: parent, State: "a=1"}, carillon.Trace{Parent: parent, State: "a=1"}},
		{"parent not valid", carillon.Trace{Parent: "nonsense", State: "a=1"}, carillon.Trace{}},
		{"state too long", carillon.Trace{Parent: parent, State: "a=" + strings.Repeat("x", 600)}, carillon.Trace{Parent: parent}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := memory.Volatile()
				between, err := store.OpenBroker(t.Context())
				must(t, err)
				orders, shipments := ordersTopic(), shipmentsTopic()
				e := messaging.NewEngine(memory.Volatile(), messaging.Over(store))
				var got []carillon.Trace
				must(t, e.Publishes(shipments),
					e.Add(messaging.Consume("shipping", orders, messaging.On(func(_ context.Context, tx *messaging.Tx, p placed) error {
						return tx.Publish(shipments, shipped(p))
					}))),
					e.Add(messaging.Consume("notifying", shipments, messaging.On(func(_ context.Context, tx *messaging.Tx, _ shipped) error {
						got = append(got, tx.Message().Trace())
						return nil
					}))))
				stop := run(t, e)
				must(t, e.Ready(t.Context()))
				m := carillon.Message{ID: "1", Type: "order.placed", Key: "a", Payload: []byte(`{"Order":"a"}`)}
				m.SetTrace(test.given)
				must(t, between.Publish(t.Context(), "orders", []carillon.Message{m}))
				elapse(time.Minute)
				stop()
				if diff := cmp.Diff([]carillon.Trace{test.want}, got); diff != "" {
					t.Errorf("what comes of it carries (-want +got):\n%s", diff)
				}
			})
		})
	}
}
