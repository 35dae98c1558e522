package kafka_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestServerKilled kills a real broker while messages are published and consumed: none is lost, and their order is kept.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	node := backends.Start(t, backends.KafkaNode)
	const rounds, each, batch = 1, 2000, 50 // after a kill Kafka takes its time to come back
	broker := traffic.Open(t, kafka.URL("kafka://"+node.Address, kafka.Timeout(5*time.Second)))
	declare(t, broker, "billing")
	messages := numbered(0, rounds*each)
	var working sync.WaitGroup
	published := make(chan int, rounds*each/batch) // how many so far
	working.Go(func() {
		defer close(published)
		for first := 0; first < len(messages); first += batch {
			rest := messages[first : first+batch]
			for err := broker.Publish(t.Context(), "orders", rest); err != nil; err = broker.Publish(t.Context(), "orders", rest) {
				failed, ok := errors.AsType[*carillon.PublishError](err)
				if !ok || !errors.Is(err, carillon.ErrUnavailable) {
					t.Error(err)
					return
				}
				rest = rest[failed.Unconfirmed[0]:]
			}
			published <- first + batch
		}
	})
	joined := subscribe(t, broker, carillon.SubscribeOptions{AckDeadline: 6 * time.Second})
	var got []string
	seen := make(map[string]bool)
	working.Go(func() {
		ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
		defer stop()
		for len(got) < len(messages) {
			deliveries, err := joined.Receive(ctx, 64)
			if err != nil && !errors.Is(err, carillon.ErrUnavailable) {
				t.Error(err)
				return
			}
			for i := range deliveries {
				if id := deliveries[i].Message.ID; !seen[id] { // as an inbox does
					seen[id] = true
					got = append(got, id)
				}
			}
			if err := joined.Ack(ctx, deliveries); err != nil {
				t.Error(err)
				return
			}
		}
	})
	next := each / 2
	for count := range published {
		if count >= next && count < len(messages) {
			next += each
			node.Kill(t)
			node.Restart(t)
		}
	}
	working.Wait()
	want := make([]string, 0, len(messages))
	for i := range messages {
		want = append(want, messages[i].ID)
	}
	if !slices.Equal(want, got) {
		t.Errorf("what was handled differs from what was published: %s", cmp.Diff(want, got))
	}
}

// TestUncleanElection refuses a topic whose leader may be a replica that missed confirmed messages.
func TestUncleanElection(t *testing.T) {
	t.Parallel()
	server, prefix, unclean := backends.Variable(t, backends.Kafka), unique(), "true"
	admin := kadm.NewClient(raw(t, []string{server}))
	configs := map[string]*string{"unclean.leader.election.enable": &unclean}
	if _, err := admin.CreateTopic(t.Context(), 8, 1, configs, prefix+"orders"); err != nil {
		t.Fatal(err)
	}
	broker := traffic.Open(t, kafka.URL("kafka://"+server, kafka.Prefix(prefix)))
	if err := broker.Declare(t.Context(), carillon.Topic{Name: "orders"}); !errors.Is(err, carillon.ErrUnsafe) {
		t.Errorf("declaring gives error %v, it is to be ErrUnsafe", err)
	}
	lossy := traffic.Open(t, kafka.URL("kafka://"+server, kafka.Prefix(prefix), kafka.AllowLossWithLeader(), kafka.ConfirmedByLeader()))
	if err := lossy.Declare(t.Context(), carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}}); err != nil {
		t.Fatal(err)
	}
	publish(t, lossy, numbered(0, 3)...)
	if got := ids(receive(t, subscribe(t, lossy, carillon.SubscribeOptions{}), 3)); !slices.Equal(got, []string{"m0", "m1", "m2"}) {
		t.Errorf("received %v", got)
	}
}
