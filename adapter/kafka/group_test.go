package kafka_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/kafka"
	"github.com/carillon-go/carillon/internal/processes"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestForgottenOffsets has Kafka forget a group, as it does with those that nobody consumes with: nothing published is skipped, and nothing
// from before the declaration comes.
func TestForgottenOffsets(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("declared again %v", again), func(t *testing.T) {
			t.Parallel()
			seeds, prefix := cluster(t), unique()
			broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
			declare(t, broker)
			publish(t, broker, numbered(0, 3)...)
			declare(t, broker, "billing")
			publish(t, broker, numbered(3, 6)...)
			admin := kadm.NewClient(raw(t, seeds))
			if deleted, err := admin.DeleteGroups(t.Context(), prefix+"orders:billing"); err != nil || deleted.Error() != nil {
				t.Fatal(err, deleted.Error())
			}
			other := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
			if again {
				declare(t, other, "billing")
			}
			got := ids(receive(t, subscribe(t, other, carillon.SubscribeOptions{}), 3))
			if diff := cmp.Diff([]string{"m3", "m4", "m5"}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDeclaredAtOnce has several services declare a subscription while one of them publishes as soon as its own call has returned.
func TestDeclaredAtOnce(t *testing.T) {
	t.Parallel()
	seeds := cluster(t)
	for round := range 5 {
		prefix := unique()
		var declaring sync.WaitGroup
		for i := range 4 {
			broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
			declaring.Go(func() {
				topic := carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 1}
				if err := broker.Declare(t.Context(), topic); err != nil {
					t.Error(err)
				}
				if err := broker.Publish(t.Context(), "orders", numbered(i, i+1)); err != nil {
					t.Error(err)
				}
			})
		}
		declaring.Wait()
		broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
		got := ids(receive(t, subscribe(t, broker, carillon.SubscribeOptions{}), 4))
		slices.Sort(got)
		if diff := cmp.Diff([]string{"m0", "m1", "m2", "m3"}, got); diff != "" {
			t.Errorf("round %d: %s", round, diff)
		}
	}
}

// TestDrain has a second consumer join. What the first settles in the meantime does not come again, and is not lost.
func TestDrain(t *testing.T) {
	t.Parallel()
	seeds, prefix := cluster(t), unique()
	broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix), kafka.Drain(time.Minute)))
	if err := broker.Declare(t.Context(), carillon.Topic{Name: "orders", Subscriptions: []string{"billing"}, Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	var messages []carillon.Message
	for i, key := range []string{"a", "b"} { // one of each partition
		m := numbered(i, i+1)[0]
		m.Key = key
		messages = append(messages, m)
	}
	if carillon.Partition("a", 2) == carillon.Partition("b", 2) {
		t.Fatal("the keys are of one partition")
	}
	publish(t, broker, messages...)
	first := subscribe(t, broker, carillon.SubscribeOptions{AckDeadline: time.Minute})
	held := receive(t, first, 2)
	second := subscribe(t, traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix))), carillon.SubscribeOptions{})
	admin := kadm.NewClient(raw(t, seeds))
	processes.AwaitFor(t, "the second consumer is in the group", traffic.Patience, func() bool {
		groups, err := admin.DescribeGroups(t.Context(), prefix+"orders:billing")
		return err == nil && len(groups[prefix+"orders:billing"].Members) == 2
	})
	if err := first.Ack(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	publish(t, broker, numbered(2, 3)...) // under the key "k"
	late := make(chan carillon.Message, 16)
	var receiving sync.WaitGroup
	for _, from := range []carillon.Subscription{first, second} {
		receiving.Go(func() {
			for {
				got, err := from.Receive(t.Context(), 16)
				if err != nil {
					return
				}
				for i := range got {
					late <- got[i].Message
				}
				_ = from.Ack(t.Context(), got)
			}
		})
	}
	if m := <-late; m.ID != "m2" {
		t.Errorf("message %q came, want m2", m.ID)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	receiving.Wait()
	close(late)
	for m := range late {
		t.Errorf("message %q came again", m.ID)
	}
}

// TestCommits looks at what Kafka knows while a consumer goes on.
func TestCommits(t *testing.T) {
	t.Parallel()
	seeds, prefix := cluster(t), unique()
	broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
	declare(t, broker, "billing")
	publish(t, broker, numbered(0, 10)...)
	joined := subscribe(t, broker, carillon.SubscribeOptions{})
	held := receive(t, joined, 10)
	admin := kadm.NewClient(raw(t, seeds))
	committed := func() int64 {
		offsets, err := admin.FetchOffsets(t.Context(), prefix+"orders:billing")
		if err != nil {
			t.Fatal(err)
		}
		offset, _ := offsets.Lookup(prefix+"orders", 0)
		return offset.At
	}
	for _, step := range []struct {
		settle []carillon.Delivery
		want   int64
	}{{held[:3], 3}, {held[4:], 3}, {held[3:4], 10}} {
		if err := joined.Ack(t.Context(), step.settle); err != nil {
			t.Fatal(err)
		}
		processes.AwaitFor(t, fmt.Sprint("the offset is ", step.want), traffic.Patience, func() bool { return committed() == step.want })
	}
}

// TestTransactions reads a topic that others publish to in transactions: what was aborted does not come, and nothing waits at the end.
func TestTransactions(t *testing.T) {
	t.Parallel()
	seeds, prefix := cluster(t), unique()
	broker := traffic.Open(t, kafka.Brokers(seeds, kafka.Prefix(prefix)))
	declare(t, broker, "billing")
	client := raw(t, seeds, kgo.TransactionalID(prefix))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: prefix + "orders", Value: []byte{byte(i)}}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	joined := subscribe(t, broker, carillon.SubscribeOptions{})
	got := receive(t, joined, 2)
	if got[0].Message.Payload[0] != 0 || got[1].Message.Payload[0] != 2 {
		t.Errorf("the payloads %v and %v came", got[0].Message.Payload, got[1].Message.Payload)
	}
	if err := joined.Ack(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	publish(t, broker, numbered(0, 1)...) // so that what ends the last transaction is passed
	if err := joined.Ack(t.Context(), receive(t, joined, 1)); err != nil {
		t.Fatal(err)
	}
	processes.AwaitFor(t, "nothing waits", traffic.Patience, func() bool {
		backlog, err := broker.(carillon.Prober).Probe(t.Context(), "orders", "billing")
		return err == nil && backlog == carillon.Backlog{}
	})
}
