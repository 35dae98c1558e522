package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carillon-go/carillon"
)

func brokerLifecycleChecks() []brokerCheck {
	return []brokerCheck{
		{"close a subscription", checkCloseSubscription},
		{"close the broker", checkCloseBroker},
		{"open again", checkOpenBrokerAgain},
	}
}

// checkCloseSubscription closes a subscription while somebody receives.
func checkCloseSubscription(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	return closesReceive(ctx, joined, joined.Close)
}

// underWay is how long a call that waits is left to begin waiting.
const underWay = 100 * time.Millisecond

// closesReceive closes something while a subscription receives, and once more.
func closesReceive(ctx context.Context, joined carillon.Subscription, closing func() error) error {
	received := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		close(began)
		ctx, stop := context.WithTimeout(ctx, brokerPatience)
		defer stop()
		_, err := next(ctx, joined, 1)
		received <- err
	}()
	<-began
	letPass(ctx, underWay)
	if err := closing(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if err := <-received; !errors.Is(err, carillon.ErrClosed) {
		return fmt.Errorf("receiving ended with error %w, it is to be ErrClosed", orNone(err))
	}
	if err := closing(); err != nil {
		return fmt.Errorf("close again: %w", err)
	}
	if _, err := next(ctx, joined, 1); !errors.Is(err, carillon.ErrClosed) {
		return fmt.Errorf("receiving afterwards gives error %w, it is to be ErrClosed", orNone(err))
	}
	return nil
}

// checkCloseBroker closes the broker while somebody receives, and uses it afterwards.
func checkCloseBroker(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	closing := s.broker
	if err := s.client(ctx); err != nil {
		return err
	}
	if err := closesReceive(ctx, joined, closing.Close); err != nil {
		return err
	}
	uses := map[string]func() error{
		"Declare": func() error { return closing.Declare(ctx, carillon.Topic{Name: "late"}) },
		"Publish": func() error { return closing.Publish(ctx, topic, s.events(1, "thing.noted")) },
		"Subscribe": func() error {
			_, err := closing.Subscribe(ctx, topic, "all", carillon.SubscribeOptions{})
			return err
		},
	}
	if prober, ok := closing.(carillon.Prober); ok {
		uses["Probe"] = func() error {
			_, err := prober.Probe(ctx, topic, "all")
			return err
		}
	}
	for name, use := range uses {
		if err := use(); !errors.Is(err, carillon.ErrClosed) {
			return fmt.Errorf("%s on a closed broker gives error %w, it is to be ErrClosed", name, orNone(err))
		}
	}
	if s.broker == closing {
		return nil // the place takes one client
	}
	if err := s.goesOn(ctx, topic); err != nil {
		return fmt.Errorf("another client, after one was closed: %w", err)
	}
	return nil
}

// goesOn publishes to a topic with the subscription "all" and receives.
func (s *brokerSubject) goesOn(ctx context.Context, topic string) error {
	message := s.event("thing.noted")
	if err := s.publish(ctx, topic, message); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, 1)
	if err != nil {
		return err
	}
	return same(got, []carillon.Message{message})
}

// settleSome receives a number of deliveries, settles the first of them and returns those. Of a consumer that cannot hold so many it settles
// as many one by one, and leaves one unsettled.
func (s *brokerSubject) settleSome(ctx context.Context, from carillon.Subscription, settled, count int) ([]carillon.Delivery, error) {
	got, err := receive(ctx, from, s.holds(count))
	if err != nil {
		return nil, err
	}
	got = got[:min(len(got), settled)]
	if err := from.Ack(ctx, got); err != nil || len(got) == settled {
		return got, err
	}
	more, err := take(ctx, from, settled-len(got))
	if err == nil {
		_, err = receive(ctx, from, 1)
	}
	return append(got, more...), err
}

// checkOpenBrokerAgain closes the broker and opens it again: what was published and not settled is there, what was settled is not.
func checkOpenBrokerAgain(ctx context.Context, s *brokerSubject) error {
	if s.volatile {
		return skip("nothing is left of the broker once it is closed")
	}
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	messages := s.series("k", 0, 30)
	if err := s.publish(ctx, topic, messages[:20]...); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	got, err := s.settleSome(ctx, joined, 10, 15)
	if err != nil {
		return err
	}
	if err := s.publish(ctx, topic, messages[20:]...); err != nil {
		return err
	}
	if err := s.broker.Close(); err != nil {
		return err
	}
	if err := s.client(ctx); err != nil {
		return fmt.Errorf("after a close: %w", err)
	}
	again, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	var left []carillon.Message
	for i := range messages {
		if !slices.ContainsFunc(got, func(d carillon.Delivery) bool { return d.Message.ID == messages[i].ID }) {
			left = append(left, messages[i])
		}
	}
	rest, err := take(ctx, again, 20)
	if err == nil {
		err = s.asOrdered(rest, left)
	}
	if err != nil {
		return fmt.Errorf("after a close: %w", err)
	}
	return s.nothingAfterRejoin(ctx, again, topic)
}
