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

// checkConsumersShare has two consumers share a subscription: both get messages, and every message comes.
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
	took := [2]int{}
	seen := make(map[string]int)
	var (
		mu       sync.Mutex
		taking   sync.WaitGroup
		failures [2]error
	)
	taken, stop := context.WithCancel(ctx)
	for i, from := range []carillon.Subscription{first, second} {
		taking.Go(func() {
			for taken.Err() == nil {
				got, err := from.Receive(taken, 4)
				if err != nil {
					if taken.Err() == nil {
						failures[i] = err
					}
					return
				}
				mu.Lock()
				took[i] += len(got)
				for j := range got {
					seen[got[j].Message.ID]++
				}
				mu.Unlock()
				if err := from.Ack(ctx, got); err != nil {
					failures[i] = err
				}
			}
		})
	}
	published := 0
	err = eventually(ctx, func() error { // partitions may be on their way from one to the other
		for _, key := range keysOfAll() {
			if err := s.publish(ctx, topic, s.series(key, 0, 1)...); err != nil {
				return err
			}
			published++
		}
		mu.Lock()
		defer mu.Unlock()
		if took[0] == 0 || took[1] == 0 {
			return fmt.Errorf("of %d messages one consumer got %d and the other %d", published, took[0], took[1])
		}
		return nil
	})
	if err == nil {
		err = eventually(ctx, func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(seen) != published {
				return fmt.Errorf("%d of %d messages have come", len(seen), published)
			}
			return nil
		})
	}
	stop()
	taking.Wait()
	if err := errors.Join(err, failures[0], failures[1]); err != nil {
		return err
	}
	return errors.Join(first.Close(), second.Close())
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
	if _, err := receive(ctx, leaving, len(messages)); err != nil {
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
	got, err := take(ctx, staying, len(messages))
	if err != nil {
		return err
	}
	if err := sameSet(got, messages); err != nil {
		return err
	}
	return s.nothingAfterRejoin(ctx, staying, topic)
}

// checkDeliveriesTakenAway has a second consumer join while the first holds everything: what moves is told as lost, and the second
// gets it whatever the first still settles.
func checkDeliveriesTakenAway(ctx context.Context, s *brokerSubject) error {
	if s.can.Order != carillon.OrderShared || !s.can.Revocation {
		return skip("the broker takes nothing away, or does not tell")
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
			_, _ = first.Receive(short, 1)
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
