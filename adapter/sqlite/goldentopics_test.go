package sqlite

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-go/carillon"
)

// goldenMessages are those of the golden topic: the first is settled.
func goldenMessages() []carillon.Message {
	messages := append(goldenEvents(), goldenEvents()...)
	for i := range messages {
		messages[i].Key = "k"
		messages[i].Kind = carillon.Kind(i)
	}
	return messages
}

func goldenReceipts() []carillon.Receipt {
	return []carillon.Receipt{{ID: "0196d5a4-8a5e-7c3b-9f00-0123456789ab"}, {ID: "not-a-uuid", Revision: 2}}
}

// writeGoldenTopics writes a topic with a message that is settled and others that wait, and the inbox of "orders".
func writeGoldenTopics(ctx context.Context, store *Store) error {
	broker := store.Broker()
	err := broker.Declare(ctx, carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 4})
	if err == nil {
		err = broker.Publish(ctx, "things", goldenMessages()[:2])
	}
	if err != nil {
		return err
	}
	joined, err := broker.Subscribe(ctx, "things", "all", carillon.SubscribeOptions{})
	if err != nil {
		return err
	}
	got, err := joined.Receive(ctx, 1)
	if err == nil {
		err = joined.Ack(ctx, got)
	}
	return errors.Join(err, broker.Close(),
		store.ReadModels().Update(ctx, carillon.ModelRef{Name: "orders"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			_, err := tx.(carillon.InboxTx).Receive(goldenReceipts())
			return errors.Join(err, tx.(carillon.OutboxTx).Publish("things", goldenMessages()[2:]))
		}))
}

// readGoldenTopics demands what [writeGoldenTopics] wrote or, of a store from before there were topics, that it takes them now.
func readGoldenTopics(t *testing.T, path string, there bool) {
	t.Helper()
	store := openFile(t, File(path)).(*Store)
	broker, want := store.Broker(), goldenMessages()[1:]
	if !there {
		if _, err := broker.Subscribe(t.Context(), "things", "all", carillon.SubscribeOptions{}); !errors.Is(err, carillon.ErrNotFound) {
			t.Errorf("a store without topics: %v, want %v", err, carillon.ErrNotFound)
		}
		if err := writeGoldenTopics(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		broker = store.Broker()
	}
	joined, err := broker.Subscribe(t.Context(), "things", "all", carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []carillon.Message
	for len(got) < len(want) {
		deliveries, err := joined.Receive(t.Context(), len(want)-len(got))
		if err != nil {
			t.Fatal(err)
		}
		for i := range deliveries {
			got = append(got, deliveries[i].Message)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	err = store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "orders"}, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
		first, err := tx.(carillon.InboxTx).Receive(append([]carillon.Receipt{{ID: "new"}}, goldenReceipts()...))
		if diff := cmp.Diff([]bool{true, false, false}, first); err == nil && diff != "" {
			t.Errorf("inbox (-want +got):\n%s", diff)
		}
		return err
	})
	if err := errors.Join(err, broker.Close()); err != nil {
		t.Error(err)
	}
}
