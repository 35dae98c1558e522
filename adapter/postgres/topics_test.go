package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/backends"
	"github.com/carillon-go/carillon/internal/topics"
)

// openTopics opens a store in a schema, with its broker. Both are closed with the test.
func openTopics(t *testing.T, url, schema string, wanted ...carillon.Topic) (*Store, carillon.Broker) {
	t.Helper()
	opened, err := URL(url, Schema(schema), Configure(few), InboxRetention(time.Hour), BrokerTimeout(5*time.Second)).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store := opened.(*Store)
	broker := store.Broker()
	t.Cleanup(func() {
		_ = broker.Close() // tests that break its connections have it fail
		_ = store.Close()
	})
	if err := broker.Declare(t.Context(), wanted...); err != nil {
		t.Fatal(err)
	}
	return store, broker
}

func notes(count int) []carillon.Message {
	messages := make([]carillon.Message, count)
	for i := range messages {
		messages[i] = carillon.Message{
			ID: fmt.Sprint("note-", i), Type: "thing.noted", Key: fmt.Sprint("key-", i%20), Time: time.UnixMicro(int64(i)), Payload: fmt.Appendf(nil, `"note %d."`, i),
		}
	}
	return messages
}

func subscribe(t *testing.T, broker carillon.Broker, deadline time.Duration) carillon.Subscription {
	t.Helper()
	joined, err := broker.Subscribe(t.Context(), "things", "all", carillon.SubscribeOptions{AckDeadline: deadline})
	if err != nil {
		t.Fatal(err)
	}
	return joined
}

func receive(t *testing.T, from carillon.Subscription, count int) (all []carillon.Delivery) {
	t.Helper()
	for len(all) < count {
		deliveries, err := from.Receive(t.Context(), count-len(all))
		if err != nil {
			t.Fatalf("receive, %d of %d have come: %v", len(all), count, err)
		}
		all = append(all, deliveries...)
	}
	return all
}

// A process is cut off from the database. Its deliveries are told as lost, and another process gets all of them after the deadline, in
// order, whatever the first still settles.
func TestConsumerThatIsCutOff(t *testing.T) {
	t.Parallel()
	const count = 40
	direct := backends.Variable(t, backends.Postgres)
	schema := backends.Schema(t, direct)
	things := carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 4}
	_, staying := openTopics(t, direct, schema, things)
	p, through := newProxy(t, direct)
	_, cut := openTopics(t, through, schema, things)
	if err := staying.Publish(t.Context(), "things", notes(count)); err != nil {
		t.Fatal(err)
	}
	lost := subscribe(t, cut, time.Second)
	held := receive(t, lost, count)
	p.cut()
	for i := range held {
		select {
		case <-held[i].Lost:
		case <-t.Context().Done():
			t.Fatal("the one that is cut off was not told")
		}
	}
	if err := lost.Ack(t.Context(), held); err != nil {
		t.Errorf("settling what is lost: %v", err)
	}
	began := time.Now()
	next := make(map[string]int)
	for _, delivery := range receive(t, subscribe(t, staying, time.Second), count) {
		var number int
		if _, err := fmt.Sscanf(delivery.Message.ID, "note-%d", &number); err != nil {
			t.Fatal(err)
		}
		key := delivery.Message.Key
		if before, ok := next[key]; ok && number <= before {
			t.Errorf("message %d of %s came after %d", number, key, before)
		}
		next[key] = number
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v until another process had them", took)
	}
	if _, err := lost.Receive(t.Context(), 1); err == nil {
		t.Error("the one that is cut off receives")
	}
	err := cut.Publish(t.Context(), "things", notes(1))
	if failed, ok := errors.AsType[*carillon.PublishError](err); !ok || len(failed.Unconfirmed) != 1 || !errors.Is(err, carillon.ErrUnavailable) {
		t.Errorf("publishing while cut off: %v, want a PublishError with %v", err, carillon.ErrUnavailable)
	}
}

// A process that was paused while others took over writes no checkpoint, gives nothing away that is not its own, and is told.
func TestCheckpointsAreFenced(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	store, _ := openTopics(t, url, backends.Schema(t, url), carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 2})
	tables := &topicTables{Store: store, pruned: make(map[int64]int64)}
	ctx := t.Context()
	topic, err := tables.Topic(ctx, "things")
	if err != nil {
		t.Fatal(err)
	}
	subscription, err := tables.Subscription(ctx, topic, "all")
	if err != nil {
		t.Fatal(err)
	}
	member := func(name string, lease time.Duration) topics.Member {
		return topics.Member{Topic: topic, Subscription: subscription, Consumer: name, Lease: lease}
	}
	paused, next := member("paused", time.Millisecond), member("next", time.Minute)
	had, err := tables.Claim(ctx, paused, []int{0, 1})
	if err != nil || len(had) != 2 {
		t.Fatalf("claimed %v, %v", had, err)
	}
	var taken []topics.Share
	for len(taken) == 0 { // until the lease has run out
		if taken, err = tables.Claim(ctx, next, []int{0}); err != nil {
			t.Fatal(err)
		}
	}
	checkpoints := []topics.Checkpoint{{Partition: 0, Epoch: had[0].Epoch, Position: 7}, {Partition: 1, Epoch: had[1].Epoch, Position: 8}}
	lost, err := tables.Save(ctx, paused, checkpoints)
	if err != nil || len(lost) != 1 || lost[0] != 0 {
		t.Errorf("the checkpoints of %v are refused, %v; want that of partition 0", lost, err)
	}
	if err := tables.Release(ctx, paused, checkpoints); err != nil {
		t.Fatal(err)
	}
	standing, err := tables.Beat(ctx, next)
	if err != nil {
		t.Fatal(err)
	}
	want := []topics.Share{{Partition: 0, Consumer: "next", Epoch: taken[0].Epoch}, {Partition: 1, Epoch: had[1].Epoch, Position: 8, Free: true}}
	if len(standing.Shares) != 2 || standing.Shares[0] != want[0] || standing.Shares[1] != want[1] {
		t.Errorf("the shares are %+v, want %+v", standing.Shares, want)
	}
}

// A connection breaks as messages are published, or as a transaction that publishes commits.
func TestConnectionLossWhilePublishing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault fault
		times int // how often the message comes once it was published again
	}{
		{"the answer is lost", dropAnswer, 2},
		{"the request is lost", dropRequest, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			direct := backends.Variable(t, backends.Postgres)
			p, through := newProxy(t, direct)
			_, broker := openTopics(t, through, backends.Schema(t, direct), carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 1})
			joined := subscribe(t, broker, 30*time.Second)
			for i, message := range notes(10) {
				p.breakAt(fmt.Sprintf("note %d.", i), test.fault)
				if err := broker.Publish(t.Context(), "things", []carillon.Message{message}); !errors.Is(err, carillon.ErrUnavailable) {
					t.Fatalf("publish: %v, want %v", err, carillon.ErrUnavailable)
				}
				if err := broker.Publish(t.Context(), "things", []carillon.Message{message}); err != nil {
					t.Fatalf("publish again: %v", err)
				}
				for range test.times {
					if got := receive(t, joined, 1); got[0].Message.ID != message.ID {
						t.Fatalf("message %s came, want %s", got[0].Message.ID, message.ID)
					}
				}
			}
		})
	}
}

// What was committed and not answered is found by looking at the table.
func TestUnknownOutcomeOfATransactionThatPublishes(t *testing.T) {
	t.Parallel()
	direct := backends.Variable(t, backends.Postgres)
	p, through := newProxy(t, direct)
	store, broker := openTopics(t, through, backends.Schema(t, direct), carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 1})
	joined := subscribe(t, broker, 30*time.Second)
	err := store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "m"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		p.breakAt("note 0.", dropAnswer) // in the request that commits
		return tx.(carillon.OutboxTx).Publish("things", notes(3))
	})
	if !errors.Is(err, carillon.ErrOutcomeUnknown) {
		t.Fatalf("the update says %v, want %v", err, carillon.ErrOutcomeUnknown)
	}
	receive(t, joined, 3)
}

// A topic becomes full that a process knows as one without a limit. A transaction that publishes to it does not commit.
func TestTransactionThatPublishesToATopicThatBecomesFull(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	schema := backends.Schema(t, url)
	things := carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 1}
	store, broker := openTopics(t, url, schema, things)
	publish := func(count int) error {
		return store.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "m"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
			put := tx.Put([]carillon.Row{{Key: "k", Value: fmt.Append(nil, count)}})
			return errors.Join(put, tx.(carillon.OutboxTx).Publish("things", notes(count)))
		})
	}
	if err := publish(1); err != nil {
		t.Fatal(err)
	}
	things.Limit = 3
	_, other := openTopics(t, url, schema)
	if err := other.Declare(t.Context(), things); err != nil {
		t.Fatal(err)
	}
	if err := publish(3); !errors.Is(err, carillon.ErrTopicFull) {
		t.Fatalf("the update says %v, want %v", err, carillon.ErrTopicFull)
	}
	if err := publish(2); err != nil {
		t.Fatalf("what has room: %v", err)
	}
	receive(t, subscribe(t, broker, 30*time.Second), 3)
	if row, _, err := store.ReadModels().Row(t.Context(), carillon.ModelRef{Name: "m"}, "k"); err != nil || string(row.Value) != "2" {
		t.Errorf("the row is %q, %v, want that of the last transaction", row.Value, err)
	}
}

// Messages stay until every subscription has had them, or until they are older than the topic's retention; receipts until they are older
// than that of the inbox.
func TestWhatNobodyNeedsIsDeleted(t *testing.T) {
	t.Parallel()
	const count = prunedAtOnce + 1000
	url := backends.Variable(t, backends.Postgres)
	store, broker := openTopics(t, url, backends.Schema(t, url), carillon.Topic{Name: "things", Subscriptions: []string{"all", "late"}, Retention: time.Hour})
	tables := &topicTables{Store: store, pruned: make(map[int64]int64)}
	ctx := t.Context()
	topic, err := tables.Topic(ctx, "things")
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string) {
		if _, err := store.pool.Exec(ctx, store.texts.fill(statement)); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (messages int) {
		for more := true; more; {
			if more, err = tables.Prune(ctx, topic); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.pool.QueryRow(ctx, store.texts.fill("SELECT count(*) FROM {{schema}}.messages")).Scan(&messages); err != nil {
			t.Fatal(err)
		}
		return messages
	}
	if err := broker.Publish(ctx, "things", notes(count)); err != nil {
		t.Fatal(err)
	}
	run("UPDATE {{schema}}.shares SET position = 4500 WHERE subscription = (SELECT id FROM {{schema}}.subscriptions WHERE name = 'all')")
	if got := left(); got != count {
		t.Errorf("%d messages are left, and one subscription has had none: want %d", got, count)
	}
	run("UPDATE {{schema}}.messages SET published = published - interval '61 minutes' WHERE position <= 100")
	if got := left(); got != count-100 {
		t.Errorf("%d messages are left, want all but 100 old ones of %d", got, count)
	}
	run("UPDATE {{schema}}.shares SET position = 4400 WHERE subscription = (SELECT id FROM {{schema}}.subscriptions WHERE name = 'late')")
	if got := left(); got != count-4400 {
		t.Errorf("%d messages are left, want those behind position 4400 of %d", got, count)
	}

	inbox := func(receipts ...carillon.Receipt) (first []bool) {
		err := store.ReadModels().Update(ctx, carillon.ModelRef{Name: "m"}, carillon.Refoldable, func(tx carillon.ReadModelTx) (err error) {
			first, err = tx.(carillon.InboxTx).Receive(receipts)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	others := make([]carillon.Receipt, pruneReceiptsEvery)
	for i := range others {
		others[i].ID = fmt.Sprint("other-", i)
	}
	inbox(carillon.Receipt{ID: "old"}, carillon.Receipt{ID: "young"})
	run(`UPDATE {{schema}}.inbox SET time = time - interval '61 minutes' WHERE message = '\x00' || convert_to('old', 'UTF8')`)
	inbox(others...)
	if first := inbox(carillon.Receipt{ID: "old"}, carillon.Receipt{ID: "young"}); !first[0] || first[1] {
		t.Errorf("the old receipt is known: %v, the young one: %v", !first[0], !first[1])
	}
}

// A backlog is that of all processes.
func TestBacklogOfAllProcesses(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	schema := backends.Schema(t, url)
	things := carillon.Topic{Name: "things", Subscriptions: []string{"all"}, Partitions: 4}
	_, one := openTopics(t, url, schema, things)
	_, two := openTopics(t, url, schema, things)
	if err := one.Publish(t.Context(), "things", notes(20)); err != nil {
		t.Fatal(err)
	}
	receive(t, subscribe(t, one, 30*time.Second), 20)
	want := carillon.Backlog{Unsettled: 20}
	for {
		got, err := two.(carillon.Prober).Probe(t.Context(), "things", "all")
		if err != nil {
			t.Fatal(err)
		}
		if got.Waiting == want.Waiting && got.Unsettled == want.Unsettled && got.Oldest > 0 {
			return
		}
	}
}

// A server that confirms what is not flushed is no broker, unless that is wanted; then the broker says so. Its log goes on as before.
func TestUnsafeServerIsNoBroker(t *testing.T) {
	t.Parallel()
	url := backends.Variable(t, backends.Postgres)
	unsafe := Configure(func(config *pgxpool.Config) {
		few(config)
		config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	})
	_, err := URL(url, Schema(backends.Schema(t, url)), unsafe).OpenBroker(t.Context())
	if !errors.Is(err, carillon.ErrUnsafe) || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("open: %v, want %v and the setting", err, carillon.ErrUnsafe)
	}
	opened, err := URL(url, Schema(backends.Schema(t, url)), unsafe).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = opened.ReadModels().Update(t.Context(), carillon.ModelRef{Name: "m"}, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		return tx.(carillon.OutboxTx).Publish("things", notes(1))
	})
	if !errors.Is(err, carillon.ErrUnsafe) {
		t.Errorf("publish in a transaction: %v, want %v", err, carillon.ErrUnsafe)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	broker, err := URL(url, Schema(backends.Schema(t, url)), unsafe, WithPossibleLoss()).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if can := broker.Capabilities(); can.Confirm != carillon.ConfirmedBySystem || len(can.Losses) != 1 {
		t.Errorf("the broker says that it confirms %v and loses %q", can.Confirm, can.Losses)
	}
	if err := broker.Close(); err != nil {
		t.Error(err)
	}
}
