package conformance

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

func brokerSettlingChecks() []brokerCheck {
	return []brokerCheck{
		{"settled for good", checkSettledForGood},
		{"settled in any order", checkSettledInAnyOrder},
		{"unsettled come again", checkUnsettledComeAgain},
		{"deadline", checkDeadline},
	}
}

// checkSettledForGood settles everything, once and again, leaves and joins.
func checkSettledForGood(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	if err := s.publish(ctx, topic, s.series("k", 0, 20)...); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, 20)
	if err != nil {
		return err
	}
	if err := joined.Ack(ctx, got); err != nil {
		return fmt.Errorf("settle what is settled: %w", err)
	}
	return s.nothingAfterRejoin(ctx, joined, topic)
}

// nothingAfterRejoin leaves, joins again and expects nothing.
func (s *brokerSubject) nothingAfterRejoin(ctx context.Context, joined carillon.Subscription, topic string) error {
	if err := joined.Close(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	again, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	if err := nothing(ctx, again); err != nil {
		return fmt.Errorf("all was settled: %w", err)
	}
	return again.Close()
}

// checkSettledInAnyOrder settles deliveries of several keys back to front.
func checkSettledInAnyOrder(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	const keys, each = 12, 5
	for key := range keys {
		if err := s.publish(ctx, topic, s.series(fmt.Sprint("key ", key), 0, each)...); err != nil {
			return err
		}
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	for left := keys * each; left > 0; {
		got, err := receive(ctx, joined, s.holds(left))
		if err != nil {
			return err
		}
		left -= len(got)
		s.random.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		for i := range got {
			if err := joined.Ack(ctx, got[i:i+1]); err != nil {
				return err
			}
		}
	}
	return s.nothingAfterRejoin(ctx, joined, topic)
}

// checkUnsettledComeAgain settles every second delivery of a key and leaves: the others come again, in order. Of a consumer that can
// hold one only, that one comes again.
func checkUnsettledComeAgain(ctx context.Context, s *brokerSubject) error {
	const count = 20
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	messages := s.series("k", 0, count)
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, 1) // nothing stands before message 1
	if err != nil {
		return err
	}
	more, err := receive(ctx, joined, s.holds(count-1))
	if err != nil {
		return err
	}
	got = append(got, more...)
	if len(got) == count {
		err = s.asOrdered(got, messages)
	} else if s.can.Order != carillon.OrderNone {
		err = same(got, messages[:len(got)])
	}
	if err != nil {
		return err
	}
	settled := make(map[string]bool)
	for i := 0; i < len(got); i += 2 {
		if err := joined.Ack(ctx, got[i:i+1]); err != nil {
			return err
		}
		settled[got[i].Message.ID] = true
	}
	if err := joined.Close(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	var want []carillon.Message
	for i := range messages {
		if !settled[messages[i].ID] || s.can.Ack == carillon.AckWatermark && messages[i].ID != got[0].Message.ID {
			want = append(want, messages[i])
		}
	}
	again, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	rest, err := take(ctx, again, len(want))
	if err != nil {
		return fmt.Errorf("after leaving with deliveries unsettled: %w", err)
	}
	if err := s.asOrdered(rest, want); err != nil {
		return fmt.Errorf("after leaving with deliveries unsettled: %w", err)
	}
	if s.can.Counted && rest[0].Attempt < 2 {
		return fmt.Errorf("a delivery that came again is attempt %d", rest[0].Attempt)
	}
	return s.nothingAfterRejoin(ctx, again, topic)
}

// checkDeadline holds a delivery for long: it stays with its consumer while it is extended, or while there is no deadline, and comes
// again when the deadline has passed.
func checkDeadline(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	if err := s.publish(ctx, topic, s.event("thing.noted")); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := receive(ctx, joined, 1)
	if err != nil {
		return err
	}
	extender, _ := joined.(carillon.Extender)
	for began := time.Now(); ; {
		if err := nothingFor(ctx, joined, deadline*2/3); err != nil {
			return fmt.Errorf("%v after a delivery that is extended as it must be: %w", time.Since(began), err)
		}
		if time.Since(began) > deadline*5/3 {
			break
		}
		if extender != nil {
			if err := extender.Extend(ctx, got); err != nil {
				return fmt.Errorf("extend: %w", err)
			}
		}
	}
	if extender == nil {
		return joined.Ack(ctx, got)
	}
	soon, stop := context.WithTimeout(ctx, 3*deadline)
	defer stop()
	again, err := receive(soon, joined, 1)
	if err != nil {
		return fmt.Errorf("a deadline of %v passed: %w", deadline, err)
	}
	if err := same(again, []carillon.Message{got[0].Message}); err != nil {
		return fmt.Errorf("after the deadline: %w", err)
	}
	if s.can.Counted && again[0].Attempt < 2 {
		return fmt.Errorf("after the deadline a delivery comes again as attempt %d", again[0].Attempt)
	}
	if err := joined.Ack(ctx, again); err != nil {
		return err
	}
	return nothingFor(ctx, joined, deadline*4/3)
}
