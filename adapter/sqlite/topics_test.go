package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// openTopics opens a store with its broker, and the tables of its topics.
func openTopics(t *testing.T, source *Source, wanted ...carillon.Topic) (*Store, carillon.Broker, *topicTables) {
	t.Helper()
	store := openFile(t, source).(*Store)
	broker := store.Broker()
	if err := broker.Declare(t.Context(), wanted...); err != nil {
		t.Fatal(err)
	}
	return store, broker, newTopicTables(store)
}

func notes(count int) []carillon.Message {
	messages := make([]carillon.Message, count)
	for i := range messages {
		messages[i] = event(fmt.Sprint("note-", i))
		messages[i].Key = fmt.Sprint("key-", i%20)
	}
	return messages
}

// settle receives and settles so many messages of a subscription, and leaves.
func settle(t *testing.T, broker carillon.Broker, topic, subscription string, count int) (ids []string) {
	t.Helper()
	joined, err := broker.Subscribe(t.Context(), topic, subscription, carillon.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for len(ids) < count {
		deliveries, err := joined.Receive(t.Context(), count-len(ids))
		if err == nil {
			err = joined.Ack(t.Context(), deliveries)
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range deliveries {
			ids = append(ids, deliveries[i].Message.ID)
		}
	}
	if err := joined.Close(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// prune deletes until nothing is left to delete, and returns how many messages are.
func prune(t *testing.T, store *Store, tables *topicTables, name string) (left int) {
	t.Helper()
	topic, err := tables.Topic(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = tables.Prune(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.ReadSQL().QueryRowContext(t.Context(), "SELECT count(*) FROM carillon_messages").Scan(&left); err != nil {
		t.Fatal(err)
	}
	return left
}

// run runs a statement on the store's tables.
func run(t *testing.T, store *Store, statement string, args ...any) {
	t.Helper()
	err := store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "test"}, carillon.Refoldable, func(tx carillon.ReadModelTx) error {
		_, err := tx.(carillon.SQLTx).SQL().ExecContext(t.Context(), statement, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Messages stay until every subscription has had them.
func TestMessagesThatAllHadAreDeleted(t *testing.T) {
	t.Parallel()
	const count = prunedAtOnce + 1000
	store, broker, tables := openTopics(t, File(filepath.Join(t.TempDir(), "prune.db")),
		carillon.Topic{Name: "other", Subscriptions: []string{"a"}}, carillon.Topic{Name: "things", Subscriptions: []string{"a", "b"}})
	if err := errors.Join(broker.Publish(t.Context(), "things", notes(count)), broker.Publish(t.Context(), "other", notes(5))); err != nil {
		t.Fatal(err)
	}
	settle(t, broker, "things", "a", count)
	if left := prune(t, store, tables, "things"); left != count+5 {
		t.Errorf("%d messages are left, and one subscription has had none: want %d", left, count+5)
	}
	settle(t, broker, "things", "b", count-10)
	if left := prune(t, store, tables, "things"); left < 15 || left > 15+8*20 {
		t.Errorf("%d messages are left, want those of the other topic and about the last 10", left)
	}
	settle(t, broker, "things", "b", 10)
	if left := prune(t, store, tables, "things"); left != 5 {
		t.Errorf("%d messages are left, want those of the other topic", left)
	}
}

// Messages that a subscription has not had go when they are older than the topic's retention.
func TestOldMessagesAreDeleted(t *testing.T) {
	t.Parallel()
	store, broker, tables := openTopics(t, File(filepath.Join(t.TempDir(), "old.db")),
		carillon.Topic{Name: "things", Subscriptions: []string{"a"}, Retention: time.Hour, Partitions: 1})
	if err := broker.Publish(t.Context(), "things", notes(30)); err != nil {
		t.Fatal(err)
	}
	run(t, store, "UPDATE carillon_messages SET published = published - 3601000000 WHERE id IN ('note-0', 'note-1', 'note-2')")
	if left := prune(t, store, tables, "things"); left != 27 {
		t.Errorf("%d messages are left, want 27", left)
	}
	if ids := settle(t, broker, "things", "a", 27); ids[0] != "note-3" {
		t.Errorf("the subscription goes on with %s", ids[0])
	}
}

// Receipts go when they are older than the inbox retention; those that are not stay.
func TestOldReceiptsAreForgotten(t *testing.T) {
	t.Parallel()
	store := openFile(t, File(filepath.Join(t.TempDir(), "inbox.db"), InboxRetention(time.Hour))).(*Store)
	receive := func(receipts ...carillon.Receipt) (first []bool) {
		err := store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "m"}, carillon.Refoldable, func(tx carillon.ReadModelTx) (err error) {
			first, err = tx.(carillon.InboxTx).Receive(receipts)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	receive(carillon.Receipt{ID: "old"}, carillon.Receipt{ID: "young"})
	run(t, store, "UPDATE carillon_inbox SET time = time - 3601000000 WHERE message = 'old'")
	for i := range pruneReceiptsEvery {
		receive(carillon.Receipt{ID: fmt.Sprint("other-", i)})
	}
	if first := receive(carillon.Receipt{ID: "old"}, carillon.Receipt{ID: "young"}); !first[0] || first[1] {
		t.Errorf("the old receipt is known: %v, the young one: %v", !first[0], !first[1])
	}
}

// A flush that fails leaves it open whether the messages are published. The next ones are, in order behind them.
func TestFailedFlushOfPublishedMessages(t *testing.T) {
	t.Parallel()
	name, files := newFaultyFiles(t)
	source := File(filepath.Join(t.TempDir(), "flush.db"))
	source.vfs = name
	_, broker, _ := openTopics(t, source, carillon.Topic{Name: "things", Subscriptions: []string{"a"}, Partitions: 1})
	files.failSync.Store(true)
	err := broker.Publish(t.Context(), "things", notes(2))
	if failed, ok := errors.AsType[*carillon.PublishError](err); !ok || len(failed.Unconfirmed) != 2 || !errors.Is(err, carillon.ErrOutcomeUnknown) {
		t.Fatalf("publish with a failing flush: %v, want a PublishError of 2 with %v", err, carillon.ErrOutcomeUnknown)
	}
	files.failSync.Store(false)
	if err := broker.Publish(t.Context(), "things", notes(4)[2:]); err != nil {
		t.Fatal(err)
	}
	ids := settle(t, broker, "things", "a", 2)
	if ids[0] == "note-0" { // what was unknown took place
		ids = settle(t, broker, "things", "a", 2)
	}
	if ids[0] != "note-2" || ids[1] != "note-3" {
		t.Errorf("the messages that follow are %v", ids)
	}
}

// A store that is read only has no broker to speak of.
func TestTopicsOfAReadOnlyStore(t *testing.T) {
	t.Parallel()
	broker := openFile(t, ReadOnly(goldenCopy(t, newestGolden))).(*Store).Broker()
	_, err := broker.Subscribe(t.Context(), "things", "all", carillon.SubscribeOptions{})
	for what, err := range map[string]error{
		"Declare":   broker.Declare(t.Context(), carillon.Topic{Name: "more"}),
		"Publish":   broker.Publish(t.Context(), "things", notes(1)),
		"Subscribe": err,
	} {
		if !errors.Is(err, carillon.ErrUnsupported) {
			t.Errorf("%s: %v, want %v", what, err, carillon.ErrUnsupported)
		}
	}
}

// The topics' transactions leave the log as it is: both are written by turns.
func TestTopicsBesideTheLog(t *testing.T) {
	t.Parallel()
	store, broker, _ := openTopics(t, File(filepath.Join(t.TempDir(), "both.db")), carillon.Topic{Name: "things", Subscriptions: []string{"a"}})
	log := eventlog.New(store.Log())
	for i := range 20 {
		_, err := log.Append(t.Context(), carillon.Append{Stream: "s", Expect: carillon.Exactly(int64(i)), Events: []carillon.Message{event(fmt.Sprint(i))}})
		if err := errors.Join(err, broker.Publish(t.Context(), "things", notes(3))); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, broker, "things", "a", 60)
	if head, err := store.Log().Head(t.Context()); err != nil || head != 20 {
		t.Errorf("the log's head is %d, %v", head, err)
	}
}
