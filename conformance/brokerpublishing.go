package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		{"publish more than fits", checkPublishMoreThanFits},
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
	large.ContentType, large.Payload = "application/octet-stream", s.noise(s.can.MaxPayload)
	large.TraceState = strings.Repeat("s", 512)
	large.Headers = map[string]string{
		strings.Repeat("h", carillon.MaxName): strings.Repeat("v", carillon.MaxHeaders-512-carillon.MaxName-4), "last": "",
	}
	for i := range carillon.MaxTags {
		large.Tags = append(large.Tags, carillon.NewTag(fmt.Sprintf("k%d", i), strings.Repeat("v", carillon.MaxName-4)))
	}
	if err := s.publish(ctx, topic, large); err != nil {
		return fmt.Errorf("a payload of %d bytes, the limit, with headers and tags at theirs: %w", s.can.MaxPayload, err)
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
	if err := errors.Join(s.asOrdered(got, want), nothing(ctx, joined)); err != nil {
		return err
	}
	if err := s.toAnotherTopic(ctx, messages); err != nil {
		return fmt.Errorf("the same messages to another topic: %w", err)
	}
	return nil
}

// toAnotherTopic publishes messages to a new topic, with a subscription that gets them.
func (s *brokerSubject) toAnotherTopic(ctx context.Context, messages []carillon.Message) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, len(messages))
	if err != nil {
		return err
	}
	return s.asOrdered(got, messages)
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
	return errors.Join(s.asOrdered(append(got, more...), messages[:limit+1]), nothing(ctx, joined))
}

// checkPublishMoreThanFits publishes more in one call than a topic may hold: what the error does not name is there, and what did not
// come can be published again.
func checkPublishMoreThanFits(ctx context.Context, s *brokerSubject) error {
	if !s.can.Bounded {
		return skip("the broker has no limits")
	}
	const limit, count = 8, 12
	name := "too-small"
	err := s.broker.Declare(ctx, carillon.Topic{Name: name, Subscriptions: []string{"all"}, Partitions: 1, Limit: limit})
	if err != nil {
		return err
	}
	messages := s.series("k", 0, count)
	err = s.broker.Publish(ctx, name, messages)
	failed, ok := errors.AsType[*carillon.PublishError](err)
	if !ok || !errors.Is(err, carillon.ErrTopicFull) {
		return fmt.Errorf("publishing %d messages at once to a topic that holds %d gives error %w, it is to be a PublishError with ErrTopicFull",
			count, limit, orNone(err))
	}
	unconfirmed := failed.Unconfirmed
	if len(unconfirmed) < count-limit || !slices.IsSorted(unconfirmed) || len(slices.Compact(slices.Clone(unconfirmed))) < len(unconfirmed) ||
		unconfirmed[0] < 0 || unconfirmed[len(unconfirmed)-1] >= count {
		return fmt.Errorf("of %d messages published to a topic that holds %d, those at the indexes %v are said not to be confirmed", count, limit, unconfirmed)
	}
	joined, err := s.subscribe(ctx, name, "all")
	if err != nil {
		return err
	}
	came, err := drain(ctx, joined)
	if err != nil {
		return err
	}
	var want, missing []carillon.Message
	for i := range messages {
		switch {
		case slices.ContainsFunc(came, func(d carillon.Delivery) bool { return d.Message.ID == messages[i].ID }):
			want = append(want, messages[i])
		case !slices.Contains(unconfirmed, i):
			return fmt.Errorf("message %d was confirmed and did not come, those at the indexes %v were not confirmed", i, unconfirmed)
		default:
			missing = append(missing, messages[i])
		}
		if s.can.OrderedPublish && len(want) > 0 && len(missing) > 0 && want[len(want)-1].ID == messages[i].ID {
			return fmt.Errorf("message %d of a key was published, and one before it was not", i)
		}
	}
	if err := s.asOrdered(came, want); err != nil {
		return err
	}
	for i := range missing {
		if err := eventually(ctx, func() error { return s.publish(ctx, name, missing[i]) }); err != nil {
			return fmt.Errorf("once there was room: %w", err)
		}
		got, err := take(ctx, joined, 1)
		if err == nil {
			err = same(got, missing[i:i+1])
		}
		if err != nil {
			return fmt.Errorf("published again once there was room: %w", err)
		}
	}
	return nothing(ctx, joined)
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
	next, seen := make(map[string]int), make(map[string]bool)
	for range publishers * calls * each {
		got, err := take(ctx, joined, 1)
		if err != nil {
			return err
		}
		m := &got[0].Message
		if number := numberOf(m); number != next[m.Key] && s.can.Order != carillon.OrderNone {
			return fmt.Errorf("message %d of key %q came when %d was next", number, m.Key, next[m.Key])
		}
		if next[m.Key]++; seen[m.ID] {
			return fmt.Errorf("message %q came twice", m.ID)
		}
		seen[m.ID] = true
	}
	return nothing(ctx, joined)
}
