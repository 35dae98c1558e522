package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/carillon-go/carillon"
)

func outboxChecks() []check {
	return []check{
		{"outbox", checkOutbox},
		{"outbox rolled back", checkOutboxRolledBack},
		{"outbox under way", checkOutboxUnderWay},
		{"outbox refused", checkOutboxRefused},
		{"outbox race", checkOutboxRace},
	}
}

// outbox is a store's broker, and subscriptions to what its transactions publish.
type outbox struct {
	*subject

	broker carillon.Broker
}

// outbox opens the broker of the store, or says why there is none.
func (s *subject) outbox(ctx context.Context, topics ...carillon.Topic) (*outbox, error) {
	with, ok := s.store.(carillon.BrokerStore)
	if !ok {
		return nil, skip("the store is no carillon.BrokerStore")
	}
	o := &outbox{s, with.Broker()}
	if err := o.broker.Declare(ctx, topics...); err != nil {
		return nil, errors.Join(fmt.Errorf("declare: %w", err), o.broker.Close())
	}
	return o, nil
}

// topicOf is a topic with one subscription.
func topicOf(name string) carillon.Topic {
	return carillon.Topic{Name: name, Subscriptions: []string{"all"}}
}

// publishing runs fn in an update of a model with what publishes in it.
func (o *outbox) publishing(ctx context.Context, ref carillon.ModelRef, fn func(tx carillon.ReadModelTx, out carillon.OutboxTx) error) error {
	return o.update(ctx, ref, func(tx carillon.ReadModelTx) error {
		out, ok := tx.(carillon.OutboxTx)
		if !ok {
			return errors.New("the store is a carillon.BrokerStore, and its transactions are no carillon.OutboxTx")
		}
		return fn(tx, out)
	})
}

// note makes a message of a key with a number.
func (o *outbox) note(key string, number int) carillon.Message {
	m := o.event("thing.noted")
	m.Key, m.Headers = key, map[string]string{"number": strconv.Itoa(number)}
	return m
}

// outboxPatience is how long the kit waits for what a transaction published.
const outboxPatience = 15 * time.Second

// arrive demands exactly these messages of a topic's subscription, those of a key in order.
func (o *outbox) arrive(ctx context.Context, topic string, want ...carillon.Message) error {
	joined, err := o.broker.Subscribe(ctx, topic, "all", carillon.SubscribeOptions{AckDeadline: deadline})
	if err != nil {
		return err
	}
	patience, stop := context.WithTimeout(ctx, outboxPatience)
	defer stop()
	got, err := take(patience, joined, len(want))
	if err == nil {
		got, want = byKey(got), slices.Clone(want)
		slices.SortStableFunc(want, func(a, b carillon.Message) int { return compareText(a.Key, b.Key) })
		err = same(got, want)
	}
	if err == nil {
		err = nothing(ctx, joined)
	}
	if err != nil {
		err = fmt.Errorf("topic %q: %w", topic, err)
	}
	return errors.Join(err, joined.Close())
}

// byKey orders deliveries by key, and leaves those of a key as they came.
func byKey(deliveries []carillon.Delivery) []carillon.Delivery {
	slices.SortStableFunc(deliveries, func(a, b carillon.Delivery) int { return compareText(a.Message.Key, b.Message.Key) })
	return deliveries
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// checkOutbox publishes to several topics in transactions, in several calls, beside what is published without.
func checkOutbox(ctx context.Context, s *subject) error {
	o, err := s.outbox(ctx, topicOf("first"), topicOf("second"))
	if err != nil {
		return err
	}
	var first, second []carillon.Message
	for round := range 3 {
		before := o.note("k", len(first))
		first = append(first, before)
		if err := o.broker.Publish(ctx, "first", []carillon.Message{before}); err != nil {
			return errors.Join(fmt.Errorf("publish: %w", err), o.broker.Close())
		}
		err := o.publishing(ctx, model(), func(tx carillon.ReadModelTx, out carillon.OutboxTx) error {
			calls := []func() error{func() error {
				return putRows(tx, carillon.Position(round+1), row("a", fmt.Sprint(round), int64(round)))
			}}
			for call := range 3 {
				a, b, c := o.note("k", len(first)), o.note("l", call), o.note("k", len(second))
				d := o.note("k", len(first)+1)
				first, second = append(first, a, b, d), append(second, c)
				calls = append(calls,
					func() error { return out.Publish("second", []carillon.Message{c}) },
					func() error { return out.Publish("first", []carillon.Message{a, b, d}) },
				)
			}
			return inOrder(append(calls, func() error { return out.Publish("first", nil) })...)
		})
		if err != nil {
			return errors.Join(fmt.Errorf("an update that publishes: %w", err), o.broker.Close())
		}
	}
	err = inOrder(
		func() error { return o.arrive(ctx, "first", first...) },
		func() error { return o.arrive(ctx, "second", second...) },
		func() error { return s.holds(ctx, model(), 3, row("a", "2", 2)) },
	)
	return errors.Join(err, o.broker.Close())
}

// checkOutboxRolledBack publishes in transactions that fail, panic or never begin: nothing arrives but what is published afterwards.
func checkOutboxRolledBack(ctx context.Context, s *subject) error {
	o, err := s.outbox(ctx, topicOf("things"))
	if err != nil {
		return err
	}
	publish := func(out carillon.OutboxTx) error {
		return out.Publish("things", []carillon.Message{o.note("lost", 0), o.note("lost", 1)})
	}
	err = o.publishing(ctx, model(), func(_ carillon.ReadModelTx, out carillon.OutboxTx) error {
		return errors.Join(publish(out), errGivenUp)
	})
	if !errors.Is(err, errGivenUp) {
		return errors.Join(fmt.Errorf("an update whose fn failed: error %w, want fn's", errOrNil(err)), o.broker.Close())
	}
	err = panicking(func() error {
		return o.publishing(ctx, model(), func(_ carillon.ReadModelTx, out carillon.OutboxTx) error {
			if err := publish(out); err != nil {
				return err
			}
			panic(errGivenUp)
		})
	})
	if err == nil {
		return errors.Join(errors.New("an update whose fn panicked succeeded"), o.broker.Close())
	}
	kept := o.note("kept", 0)
	err = o.publishing(ctx, model(), func(_ carillon.ReadModelTx, out carillon.OutboxTx) error {
		return out.Publish("things", []carillon.Message{kept})
	})
	if err == nil {
		err = o.arrive(ctx, "things", kept)
	}
	if err != nil {
		err = fmt.Errorf("after updates that failed: %w", err)
	}
	return errors.Join(err, o.broker.Close())
}

// checkOutboxUnderWay receives while a transaction that has published is under way: nothing comes before it commits.
func checkOutboxUnderWay(ctx context.Context, s *subject) error {
	o, err := s.outbox(ctx, topicOf("things"))
	if err != nil {
		return err
	}
	joined, err := o.broker.Subscribe(ctx, "things", "all", carillon.SubscribeOptions{AckDeadline: deadline})
	if err != nil {
		return errors.Join(err, o.broker.Close())
	}
	message := o.note("k", 0)
	err = o.publishing(ctx, model(), func(_ carillon.ReadModelTx, out carillon.OutboxTx) error {
		if err := out.Publish("things", []carillon.Message{message}); err != nil {
			return err
		}
		return nothing(ctx, joined)
	})
	if err != nil {
		err = fmt.Errorf("while an update that published is under way: %w", err)
	} else {
		var got []carillon.Delivery
		if got, err = take(ctx, joined, 1); err == nil {
			err = same(got, []carillon.Message{message})
		}
	}
	return errors.Join(err, joined.Close(), o.broker.Close())
}

// checkOutboxRefused publishes to a topic nobody declared, and to one that is full. The transaction may go on without.
func checkOutboxRefused(ctx context.Context, s *subject) error {
	bounded := topicOf("bounded")
	bounded.Limit = 3
	bounded.Partitions = 1
	o, err := s.outbox(ctx, topicOf("things"))
	if err != nil {
		return err
	}
	limited := o.broker.Capabilities().Bounded
	if limited {
		if err := o.broker.Declare(ctx, bounded); err != nil {
			return errors.Join(err, o.broker.Close())
		}
	}
	message := o.note("k", 0)
	fits := []carillon.Message{o.note("k", 0), o.note("k", 1)}
	err = o.publishing(ctx, model(), func(tx carillon.ReadModelTx, out carillon.OutboxTx) error {
		if err := out.Publish("nowhere", []carillon.Message{o.note("k", 0)}); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("publishing to a topic nobody declared gives error %w, want ErrNotFound", errOrNil(err))
		}
		if limited {
			if err := out.Publish("bounded", fits); err != nil {
				return fmt.Errorf("publishing 2 messages to a topic for 3: %w", err)
			}
			if err := out.Publish("bounded", []carillon.Message{o.note("k", 2), o.note("k", 3)}); !errors.Is(err, carillon.ErrTopicFull) {
				return fmt.Errorf("publishing 2 messages to a topic with room for 1 gives error %w, want ErrTopicFull", errOrNil(err))
			}
		}
		return errors.Join(putRows(tx, 1, row("a", "1", 1)), out.Publish("things", []carillon.Message{message}))
	})
	if err == nil {
		err = errors.Join(s.holds(ctx, model(), 1, row("a", "1", 1)), o.arrive(ctx, "things", message))
	}
	if err == nil && limited {
		err = o.arrive(ctx, "bounded", fits...)
	}
	return errors.Join(err, o.broker.Close())
}

// checkOutboxRace has updates of many models and of one that all share publish at once: every message comes once, those of a key in the
// order of the commits.
func checkOutboxRace(ctx context.Context, s *subject) error {
	o, err := s.outbox(ctx, topicOf("a"), topicOf("b"))
	if err != nil {
		return err
	}
	const each = 3
	racers, racersCtx := newGroup(ctx)
	for racer := range s.sizes.Racers {
		own := carillon.ModelRef{Name: fmt.Sprint("own-", racer)}
		topics := []string{"a", "b"}
		if racer%2 == 1 {
			slices.Reverse(topics)
		}
		racers.start(func() error {
			for round := range s.sizes.Rounds {
				if err := o.countAndPublish(racersCtx, model(), "shared", topics); err != nil {
					return fmt.Errorf("one of many updates that publish: %w", err)
				}
				err := o.publishing(racersCtx, own, func(_ carillon.ReadModelTx, out carillon.OutboxTx) error {
					for _, topic := range topics {
						messages := make([]carillon.Message, each)
						for i := range messages {
							messages[i] = o.note(own.Name, round*each+i)
						}
						if err := out.Publish(topic, messages); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return fmt.Errorf("one of many updates that publish: %w", err)
				}
			}
			return nil
		})
	}
	err = racers.wait()
	for _, topic := range []string{"a", "b"} {
		if err == nil {
			err = o.numbered(ctx, topic, s.sizes.Racers*s.sizes.Rounds*(each+1))
		}
	}
	return errors.Join(err, o.broker.Close())
}

// countAndPublish counts, and publishes the number to topics.
func (o *outbox) countAndPublish(ctx context.Context, ref carillon.ModelRef, key string, topics []string) error {
	return o.publishing(ctx, ref, func(tx carillon.ReadModelTx, out carillon.OutboxTx) error {
		at, err := tx.Checkpoint()
		if err != nil {
			return err
		}
		for _, topic := range topics {
			if err := out.Publish(topic, []carillon.Message{o.note(key, int(at))}); err != nil {
				return err
			}
		}
		return tx.Advance(at + 1)
	})
}

// numbered takes so many messages of a topic and demands that those of each key are numbered from 0 on, without gaps.
func (o *outbox) numbered(ctx context.Context, topic string, count int) error {
	joined, err := o.broker.Subscribe(ctx, topic, "all", carillon.SubscribeOptions{AckDeadline: deadline})
	if err != nil {
		return err
	}
	patience, stop := context.WithTimeout(ctx, 4*outboxPatience)
	defer stop()
	next := make(map[string]int)
	for taken := 0; err == nil && taken < count; {
		var got []carillon.Delivery
		if got, err = receive(patience, joined, min(count-taken, 20)); err == nil {
			err = joined.Ack(ctx, got)
		}
		taken += len(got)
		for i := 0; err == nil && i < len(got); i++ {
			m := &got[i].Message
			if number := numberOf(m); number != next[m.Key] {
				err = fmt.Errorf("topic %q: message %d of key %q came when %d was next", topic, number, m.Key, next[m.Key])
			}
			next[m.Key]++
		}
	}
	if err == nil {
		err = nothing(ctx, joined)
	}
	return errors.Join(err, joined.Close())
}
