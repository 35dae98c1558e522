package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon"
)

func brokerDeliveryChecks() []brokerCheck {
	return []brokerCheck{
		{"messages as published", checkMessagesAsPublished},
		{"subscriptions apart", checkSubscriptionsApart},
		{"wait for a message", checkWaitForMessage},
		{"unsettled limit", checkUnsettledLimit},
		{"backlog", checkBacklog},
	}
}

// checkMessagesAsPublished publishes messages with every field at its edges and receives them.
func checkMessagesAsPublished(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	examples := roundTripMessages(&s.subject)
	for kind := carillon.KindCommand; kind <= carillon.KindReply; kind++ {
		m := s.event("thing.noted")
		m.Kind = kind
		examples = append(examples, example{"kind " + kind.String(), m})
	}
	for i, example := range examples {
		example.message.ID = fmt.Sprintf("%d-%s", i, example.message.ID)
		if len(example.message.ID) > carillon.MaxName {
			example.message.ID = example.message.ID[:carillon.MaxName-1]
		}
		if err := s.publish(ctx, topic, example.message); err != nil {
			return fmt.Errorf("%s: %w", example.name, err)
		}
		got, err := take(ctx, joined, 1)
		if err == nil {
			err = same(got, []carillon.Message{example.message})
		}
		if err == nil {
			err = s.tellsAsItCan(&got[0])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", example.name, err)
		}
	}
	return nothing(ctx, joined)
}

// tellsAsItCan checks what the first delivery of a message tells beside the message.
func (s *brokerSubject) tellsAsItCan(first *carillon.Delivery) error {
	want := 0
	if s.can.Counted {
		want = 1
	}
	if first.Attempt != want {
		return fmt.Errorf("the first delivery is attempt %d, it is to be %d: capability Counted is %v", first.Attempt, want, s.can.Counted)
	}
	if (first.Lost != nil) != s.can.Revocation {
		return fmt.Errorf("capability Revocation is %v, a delivery tells when it is lost: %v", s.can.Revocation, first.Lost != nil)
	}
	return nil
}

// checkSubscriptionsApart gives each subscription every message, whoever is quick or slow.
func checkSubscriptionsApart(ctx context.Context, s *brokerSubject) error {
	names := []string{"a", "b", "c"}
	topic, err := s.topic(ctx, names...)
	if err != nil {
		return err
	}
	messages := s.series("k", 0, 30)
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	for _, name := range names {
		joined, err := s.subscribe(ctx, topic, name)
		if err != nil {
			return err
		}
		got, err := take(ctx, joined, len(messages))
		if err == nil {
			err = s.asOrdered(got, messages)
		}
		if err == nil {
			err = nothing(ctx, joined)
		}
		if err != nil {
			return fmt.Errorf("subscription %q: %w", name, err)
		}
	}
	return nil
}

// checkWaitForMessage receives before anything is published, and with a context that ends.
func checkWaitForMessage(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	if _, err := next(short, joined, 1); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("receiving with a context that ends gives error %w, it is to be the context's", orNone(err))
	}
	type outcome struct {
		deliveries []carillon.Delivery
		err        error
	}
	received := make(chan outcome, 1)
	go func() {
		deliveries, err := take(ctx, joined, 1)
		received <- outcome{deliveries, err}
	}()
	letPass(ctx, underWay)
	message := s.event("thing.noted")
	if err := s.publish(ctx, topic, message); err != nil {
		return err
	}
	got := <-received
	if got.err != nil {
		return got.err
	}
	return same(got.deliveries, []carillon.Message{message})
}

// checkUnsettledLimit holds deliveries back: no more come than the consumer takes, and settling makes room.
func checkUnsettledLimit(ctx context.Context, s *brokerSubject) error {
	const most = 10
	limit := s.holds(most)
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	messages := s.series("k", 0, 5*most)
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	joined, err := s.broker.Subscribe(ctx, topic, "all", carillon.SubscribeOptions{MaxUnsettled: most, AckDeadline: 10 * deadline})
	if err != nil {
		return err
	}
	got, err := receive(ctx, joined, limit)
	if err != nil {
		return err
	}
	if err := nothing(ctx, joined); err != nil {
		return fmt.Errorf("%d deliveries are not settled, the limit: %w", limit, err)
	}
	if err := joined.Ack(ctx, got); err != nil {
		return err
	}
	rest, err := take(ctx, joined, len(messages)-limit)
	if err != nil {
		return fmt.Errorf("after settling: %w", err)
	}
	return s.asOrdered(append(got, rest...), messages)
}

// checkBacklog counts what waits and what is unsettled.
func checkBacklog(ctx context.Context, s *brokerSubject) error {
	prober, ok := s.broker.(carillon.Prober)
	if !ok {
		return skip("the broker does not tell")
	}
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	for _, at := range [][2]string{{topic, "not-there"}, {"nowhere", "all"}} {
		if _, err := prober.Probe(ctx, at[0], at[1]); !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("probing subscription %q of %q, which nobody declared, gives error %w, it is to be ErrNotFound", at[1], at[0], orNone(err))
		}
	}
	began := time.Now()
	expect := func(what string, want int64) error { // who is there may have been given more than it has received
		return eventually(ctx, func() error {
			got, err := prober.Probe(ctx, topic, "all")
			switch {
			case err != nil:
				return err
			case got.Waiting < 0 || got.Unsettled < 0 || got.Waiting+got.Unsettled != want:
				return fmt.Errorf("%s: %d wait and %d are unsettled, it is to be %d together", what, got.Waiting, got.Unsettled, want)
			case got.Oldest < 0 || want == 0 && got.Oldest > 0 || got.Oldest > time.Since(began)+time.Minute:
				return fmt.Errorf("%s: the oldest has been there for %v", what, got.Oldest)
			}
			return nil
		})
	}
	if err := expect("before anything is published", 0); err != nil {
		return err
	}
	if err := s.publish(ctx, topic, s.series("k", 0, 10)...); err != nil {
		return err
	}
	if err := expect("10 were published", 10); err != nil {
		return err
	}
	if got, err := prober.Probe(ctx, topic, "all"); err != nil || got.Unsettled != 0 {
		return errors.Join(err, fmt.Errorf("%d are with consumers, and there is none", got.Unsettled))
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	if _, err := take(ctx, joined, 4); err != nil {
		return err
	}
	if err := expect("4 of 10 were settled", 6); err != nil {
		return err
	}
	held, err := receive(ctx, joined, s.holds(3))
	if err != nil {
		return err
	}
	if err := expect("4 of 10 were settled and more received", 6); err != nil {
		return err
	}
	if err := joined.Ack(ctx, held); err != nil {
		return err
	}
	if _, err := take(ctx, joined, 6-len(held)); err != nil {
		return err
	}
	return expect("all were settled", 0)
}
