package conformance

import (
	"context"
	"errors"
	"fmt"

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

// closesReceive closes something while a subscription receives, and once more.
func closesReceive(ctx context.Context, joined carillon.Subscription, closing func() error) error {
	received := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		close(began)
		ctx, stop := context.WithTimeout(ctx, brokerPatience)
		defer stop()
		_, err := joined.Receive(ctx, 1)
		received <- err
	}()
	<-began
	if err := closing(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if err := <-received; !errors.Is(err, carillon.ErrClosed) {
		return fmt.Errorf("receiving ended with error %w, it is to be ErrClosed", orNone(err))
	}
	if err := closing(); err != nil {
		return fmt.Errorf("close again: %w", err)
	}
	if _, err := joined.Receive(ctx, 1); !errors.Is(err, carillon.ErrClosed) {
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
	if err := closesReceive(ctx, joined, s.broker.Close); err != nil {
		return err
	}
	uses := map[string]func() error{
		"Declare": func() error { return s.broker.Declare(ctx, carillon.Topic{Name: "late"}) },
		"Publish": func() error { return s.broker.Publish(ctx, topic, s.events(1, "thing.noted")) },
		"Subscribe": func() error {
			_, err := s.broker.Subscribe(ctx, topic, "all", carillon.SubscribeOptions{})
			return err
		},
	}
	for name, use := range uses {
		if err := use(); !errors.Is(err, carillon.ErrClosed) {
			return fmt.Errorf("%s on a closed broker gives error %w, it is to be ErrClosed", name, orNone(err))
		}
	}
	return nil
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
	got, err := receive(ctx, joined, 15)
	if err != nil {
		return err
	}
	if err := joined.Ack(ctx, got[:10]); err != nil {
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
	rest, err := take(ctx, again, 20)
	if err == nil && s.can.Order == carillon.OrderNone {
		err = sameSet(rest, messages[10:])
	} else if err == nil {
		err = same(rest, messages[10:])
	}
	if err != nil {
		return fmt.Errorf("after a close: %w", err)
	}
	return s.nothingAfterRejoin(ctx, again, topic)
}
