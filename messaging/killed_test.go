package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
	"github.com/carillon-go/carillon/adapter/memory"
	"github.com/carillon-go/carillon/cqrs"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/messaging"
)

// TestTheBrokerIsKilledBetweenRequests kills the broker while commands are sent. Whoever does not know the outcome of one sends it again
// under its id: each is carried out once.
func TestTheBrokerIsKilledBetweenRequests(t *testing.T) {
	t.Parallel()
	const senders, kills = 4, 2
	node := backends.Start(t, backends.NATSNode)
	s := site{store: func() carillon.Store { return memory.Volatile() }, broker: jetstream.Server(node.Address)}
	requests := messaging.NewTopic("requests", messaging.Command[take]("money.take"), messaging.Partitions(2))
	bank, _ := s.node(t, accounts(), messaging.Serve("bank", requests))
	shop, _ := s.node(t, messaging.Remote("shop", requests))

	var sending sync.WaitGroup
	var again, done atomic.Int64
	var enough atomic.Bool
	for sender := range senders {
		sending.Go(func() {
			for n := 0; !enough.Load(); n++ {
				id := fmt.Sprint("command-", sender, "-", n)
				for !t.Failed() {
					ctx, stop := context.WithTimeout(t.Context(), time.Second)
					_, err := shop.bus.Send(ctx, take{id, 1}, cqrs.WithID(id))
					stop()
					if err == nil {
						done.Add(1)
						break
					}
					if !errors.Is(err, carillon.ErrOutcomeUnknown) && !errors.Is(err, carillon.ErrUnavailable) {
						t.Errorf("%s: %v", id, err)
						return
					}
					again.Add(1)
				}
			}
		})
	}
	await := func(reached func() bool) {
		limit := time.Now().Add(time.Minute)
		for !reached() && !t.Failed() {
			if <-time.After(5 * time.Millisecond); time.Now().After(limit) {
				t.Errorf("after %d commands nothing happens any more", done.Load())
			}
		}
	}
	for range kills {
		before := done.Load()
		await(func() bool { return done.Load() >= before+20 })
		node.Kill(t)
		missed := again.Load()
		await(func() bool { return again.Load() > missed }) // somebody does not know
		node.Restart(t)
	}
	before := done.Load()
	await(func() bool { return done.Load() >= before+20 })
	enough.Store(true)
	sending.Wait()
	head, err := bank.store.Log().Head(t.Context())
	if err != nil || int64(head) != done.Load() {
		t.Errorf("%d commands came to %d events, error %v", done.Load(), head, err)
	}
	t.Logf("%d commands, %d sent again, %d kills", done.Load(), again.Load(), kills)
}
