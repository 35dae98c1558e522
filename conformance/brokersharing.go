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

func brokerSharingChecks() []brokerCheck {
	return []brokerCheck{
		{"consumers share", checkConsumersShare},
		{"a consumer leaves", checkConsumerLeaves},
		{"deliveries are taken away", checkDeliveriesTakenAway},
	}
}

// keysOfAll are keys of every partition.
func keysOfAll() []string {
	keys := make([]string, 64)
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
	}
	return keys
}

// checkConsumersShare has two consumers share a subscription: both get messages, and every message comes, to one of them.
func checkConsumersShare(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	first, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	if err := s.client(ctx); err != nil {
		return err
	}
	second, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	taken := &taken{seen: make(map[string]int)}
	both, stop := context.WithCancel(ctx)
	var taking sync.WaitGroup
	for i, from := range []carillon.Subscription{first, second} {
		taking.Go(func() { taken.failures[i] = taken.all(both, i, from) })
	}
	err = s.share(ctx, topic, taken)
	stop()
	taking.Wait()
	return errors.Join(err, taken.failures[0], taken.failures[1], first.Close(), second.Close())
}

// share publishes until both consumers have had something, and then something more.
func (s *brokerSubject) share(ctx context.Context, topic string, taken *taken) error {
	published := 0
	publish := func() error {
		var messages []carillon.Message
		for _, key := range keysOfAll() {
			messages = append(messages, s.series(key, 0, 1)...)
		}
		published += len(messages)
		return s.publish(ctx, topic, messages...)
	}
	var failure error
	err := eventuallyWithin(ctx, func() (bool, error) { // partitions may be on their way from one to the other
		if failure = publish(); failure != nil {
			return false, failure
		}
		counts, _, _ := taken.so()
		return counts[0] > 0 && counts[1] > 0, nil
	}, func() error {
		counts, _, _ := taken.so()
		return fmt.Errorf("of %d messages one consumer got %d and the other %d", published, counts[0], counts[1])
	})
	arrived := func() error {
		if _, seen, _ := taken.so(); seen != published {
			return fmt.Errorf("%d of %d messages have come", seen, published)
		}
		return nil
	}
	if err == nil {
		err = eventually(ctx, arrived)
	}
	if err != nil {
		return err
	}
	_, _, repeatedBefore := taken.so()
	before := published
	for range 2 {
		if err := publish(); err != nil {
			return err
		}
	}
	if err := eventually(ctx, arrived); err != nil {
		return err
	}
	letPass(ctx, quiet)
	if _, _, repeated := taken.so(); repeated-repeatedBefore > (published-before)/2 { // some may, while partitions move
		return fmt.Errorf("of %d messages %d came more than once, each is for one consumer", published-before, repeated-repeatedBefore)
	}
	return nil
}

// taken is what two consumers have received.
type taken struct {
	mu       sync.Mutex
	counts   [2]int
	seen     map[string]int
	repeated int
	failures [2]error
}

// so returns how many deliveries each had, of how many messages, and how many of them came again.
func (t *taken) so() (counts [2]int, seen, repeated int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts, len(t.seen), t.repeated
}

// all receives and settles until the context ends.
func (t *taken) all(ctx context.Context, consumer int, from carillon.Subscription) error {
	for {
		got, err := next(ctx, from, 4)
		if err != nil {
			return endedOr(ctx, err)
		}
		t.mu.Lock()
		t.counts[consumer] += len(got)
		for i := range got {
			if t.seen[got[i].Message.ID]++; t.seen[got[i].Message.ID] > 1 {
				t.repeated++
			}
		}
		t.mu.Unlock()
		if err := from.Ack(ctx, got); err != nil {
			return endedOr(ctx, err)
		}
	}
}

// checkConsumerLeaves has a consumer leave with deliveries that are not settled: the one that stays gets them.
func checkConsumerLeaves(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	leaving, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	var messages []carillon.Message
	for _, key := range keysOfAll() {
		messages = append(messages, s.series(key, 0, 2)...)
	}
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	if _, err := receive(ctx, leaving, s.holds(len(messages))); err != nil {
		return err
	}
	if err := s.client(ctx); err != nil {
		return err
	}
	staying, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	if err := leaving.Close(); err != nil {
		return err
	}
	for _, key := range keysOfAll() { // what is newer comes behind what was left
		newer := s.series(key, 2, 1)
		if err := s.publish(ctx, topic, newer...); err != nil {
			return err
		}
		messages = append(messages, newer...)
	}
	got, err := take(ctx, staying, len(messages))
	if err != nil {
		return err
	}
	if err := sameSet(got, messages); err != nil {
		return err
	}
	h := newHandled()
	for i := range got {
		h.handle(&got[i].Message)
	}
	if _, wrong := h.done(len(messages)); wrong != nil && s.can.Order == carillon.OrderShared {
		return wrong
	}
	return s.nothingAfterRejoin(ctx, staying, topic)
}

// checkDeliveriesTakenAway has a second consumer join while the first holds everything: what moves is told as lost, and the second
// gets it whatever the first still settles.
func checkDeliveriesTakenAway(ctx context.Context, s *brokerSubject) error {
	if s.can.Order != carillon.OrderShared || !s.can.Revocation || s.can.Unsettled > 0 {
		return skip("the broker takes nothing away, does not tell, or gives a consumer too little")
	}
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	first, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	var messages []carillon.Message
	for _, key := range keysOfAll() {
		messages = append(messages, s.series(key, 0, 1)...)
	}
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	held, err := receive(ctx, first, len(messages))
	if err != nil {
		return err
	}
	if err := s.client(ctx); err != nil {
		return err
	}
	second, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	one, err := receiveBeside(ctx, first, second)
	if err != nil {
		return fmt.Errorf("a second consumer joined: %w", err)
	}
	var lost []string
	err = eventually(ctx, func() error {
		lost = lost[:0]
		for i := range held {
			if isLost(&held[i]) {
				lost = append(lost, held[i].Message.ID)
			}
		}
		if !slices.Contains(lost, one[0].Message.ID) {
			return fmt.Errorf("message %q went to the second consumer, the first was not told", one[0].Message.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := first.Ack(ctx, held); err != nil {
		return fmt.Errorf("settle what is lost: %w", err)
	}
	if err := first.Close(); err != nil { // before the second settles what the first was to pass over
		return err
	}
	if err := second.Close(); err != nil {
		return err
	}
	again, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, again, len(lost))
	if err != nil {
		return fmt.Errorf("%d deliveries were lost to another consumer and settled by neither: %w", len(lost), err)
	}
	for i := range got {
		if !slices.Contains(lost, got[i].Message.ID) && s.can.Ack == carillon.AckEach {
			return fmt.Errorf("message %q was settled by the one that had it and came again", got[i].Message.ID)
		}
	}
	return again.Close()
}

// receiveBeside receives one delivery from a second consumer while a first is told to stand by, as consumers do.
func receiveBeside(ctx context.Context, first, second carillon.Subscription) ([]carillon.Delivery, error) {
	beside, stop := context.WithCancel(ctx)
	var standing sync.WaitGroup
	standing.Go(func() {
		for beside.Err() == nil {
			short, end := context.WithTimeout(beside, 50*time.Millisecond)
			_, _ = next(short, first, 1)
			end()
		}
	})
	got, err := receive(ctx, second, 1)
	stop()
	standing.Wait()
	return got, err
}

func isLost(delivery *carillon.Delivery) bool {
	select {
	case <-delivery.Lost:
		return true
	default:
		return false
	}
}
