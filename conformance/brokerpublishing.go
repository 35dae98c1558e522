package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

func brokerPublishChecks() []brokerCheck {
	return []brokerCheck{
		{"publish too much", checkPublishTooMuch},
		{"publish to nobody", checkPublishToNobody},
		{"publish again", checkPublishAgain},
		{"publish into a full topic", checkPublishFull},
		{"publish cancelled", checkPublishCancelled},
		{"publish at once", checkPublishAtOnce},
	}
}

// checkPublishTooMuch publishes payloads at the limit and beyond.
func checkPublishTooMuch(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	large := s.event("thing.noted")
	large.ContentType, large.Payload = "application/octet-stream", make([]byte, s.can.MaxPayload)
	if err := s.publish(ctx, topic, large); err != nil {
		return fmt.Errorf("a payload of %d bytes, the limit: %w", s.can.MaxPayload, err)
	}
	larger := s.event("thing.noted")
	larger.ContentType, larger.Payload = "application/octet-stream", make([]byte, s.can.MaxPayload+1)
	if err := s.broker.Publish(ctx, topic, []carillon.Message{larger}); !errors.Is(err, carillon.ErrTooLarge) {
		return fmt.Errorf("a payload of a byte more than the limit gives error %w, it is to be ErrTooLarge", orNone(err))
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, 1)
	if err != nil {
		return err
	}
	return errors.Join(same(got, []carillon.Message{large}), nothing(ctx, joined))
}

// checkPublishToNobody publishes where there is no subscription: the broker keeps the message or refuses it.
func checkPublishToNobody(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx)
	if err != nil {
		return err
	}
	err = s.broker.Publish(ctx, topic, s.events(3, "thing.noted"))
	if s.can.Retained {
		return err
	}
	if !errors.Is(err, carillon.ErrUnroutable) {
		return fmt.Errorf("publishing to a topic without subscriptions gives error %w, it is to be ErrUnroutable", orNone(err))
	}
	return nil
}

// checkPublishAgain publishes messages again under their ids. A broker that drops repetitions drops them, others deliver them.
func checkPublishAgain(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	messages := s.series("k", 0, 20)
	for range 2 {
		if err := s.publish(ctx, topic, messages...); err != nil {
			return err
		}
	}
	want := slices.Clone(messages)
	if s.can.Deduplication == 0 {
		want = append(want, messages...)
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, len(want))
	if err != nil {
		return err
	}
	return errors.Join(same(got, want), nothing(ctx, joined))
}

// checkPublishFull fills a topic to its limit, makes room and fills it again.
func checkPublishFull(ctx context.Context, s *brokerSubject) error {
	if !s.can.Bounded {
		return skip("the broker has no limits")
	}
	const limit = 8
	name := "bounded"
	err := s.broker.Declare(ctx, carillon.Topic{Name: name, Subscriptions: []string{"all"}, Partitions: 1, Limit: limit})
	if err != nil {
		return err
	}
	messages := s.series("k", 0, limit+4)
	for i := range limit {
		if err := s.publish(ctx, name, messages[i]); err != nil {
			return fmt.Errorf("message %d of %d: %w", i+1, limit, err)
		}
	}
	err = s.broker.Publish(ctx, name, messages[limit:])
	failed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok || !errors.Is(err, carillon.ErrTopicFull) || len(failed.Unconfirmed) != 4 || failed.Unconfirmed[0] != 0 {
		return fmt.Errorf("publishing to a full topic gives error %w, it is to be a PublishError of all 4 with ErrTopicFull", orNone(err))
	}
	joined, err := s.subscribe(ctx, name, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, limit)
	if err != nil {
		return err
	}
	err = eventually(ctx, func() error { return s.publish(ctx, name, messages[limit]) })
	if err != nil {
		return fmt.Errorf("after all was settled: %w", err)
	}
	more, err := take(ctx, joined, 1)
	if err != nil {
		return err
	}
	return errors.Join(same(append(got, more...), messages[:limit+1]), nothing(ctx, joined))
}

// checkPublishCancelled publishes with a context that has ended.
func checkPublishCancelled(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	ended, stop := context.WithCancel(ctx)
	stop()
	began := time.Now()
	err = s.broker.Publish(ended, topic, s.events(1, "thing.noted"))
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("publishing with a context that has ended gives error %w, it is to be the context's", orNone(err))
	}
	if took := time.Since(began); took > brokerPatience/4 {
		return fmt.Errorf("publishing with a context that has ended took %v", took)
	}
	return nil
}

// checkPublishAtOnce publishes from many goroutines: every message is there once, those of a publisher's key in order.
func checkPublishAtOnce(ctx context.Context, s *brokerSubject) error {
	const publishers, calls, each = 8, 12, 5
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	failures := make([]error, publishers)
	var publishing sync.WaitGroup
	for i := range publishers {
		publishing.Go(func() {
			for call := range calls {
				failures[i] = errors.Join(failures[i], s.publish(ctx, topic, s.series(fmt.Sprint("publisher ", i), call*each, each)...))
			}
		})
	}
	publishing.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	next := make(map[string]int)
	for range publishers * calls * each {
		got, err := take(ctx, joined, 1)
		if err != nil {
			return err
		}
		m := &got[0].Message
		if number := numberOf(m); number != next[m.Key] && s.can.Order != carillon.OrderNone {
			return fmt.Errorf("message %d of key %q came when %d was next", number, m.Key, next[m.Key])
		}
		next[m.Key]++
	}
	return nothing(ctx, joined)
}
