package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/carillon-go/carillon"
)

// brokerSubject is the broker under test, opened for one check.
type brokerSubject struct {
	subject

	opener  carillon.BrokerOpener
	clients []carillon.Broker
	broker  carillon.Broker // the client opened last
	can     carillon.Capabilities
}

// client opens another client; where the place takes one only, the one there is goes on.
func (s *brokerSubject) client(ctx context.Context) error {
	broker, err := s.opener.OpenBroker(ctx)
	if errors.Is(err, carillon.ErrInUse) && len(s.clients) > 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the broker: %w", err)
	}
	s.clients = append(s.clients, broker)
	s.broker, s.can = broker, broker.Capabilities()
	return nil
}

// topic declares a topic with subscriptions and returns its name.
func (s *brokerSubject) topic(ctx context.Context, subscriptions ...string) (string, error) {
	name := fmt.Sprintf("topic-%d.a_b", s.serial.Add(1))
	return name, s.broker.Declare(ctx, carillon.Topic{Name: name, Subscriptions: subscriptions})
}

// subscribe joins a subscription with the kit's deadline.
func (s *brokerSubject) subscribe(ctx context.Context, topic, subscription string) (carillon.Subscription, error) {
	joined, err := s.broker.Subscribe(ctx, topic, subscription, carillon.SubscribeOptions{AckDeadline: deadline})
	if err != nil {
		return nil, fmt.Errorf("subscribe to %q of %q: %w", subscription, topic, err)
	}
	return joined, nil
}

// deadline is how long a delivery is its consumer's in the kit's checks.
const deadline = 3 * time.Second

// publish publishes in one call.
func (s *brokerSubject) publish(ctx context.Context, topic string, messages ...carillon.Message) error {
	for i := range messages {
		if err := messages[i].CheckPublished(s.can.MaxPayload); err != nil {
			return fmt.Errorf("the kit made a message that is not valid: %w", err)
		}
	}
	if err := s.broker.Publish(ctx, topic, messages); err != nil {
		return fmt.Errorf("publish %d messages: %w", len(messages), err)
	}
	return nil
}

// series makes the messages of a key, numbered from a number on in the header "number".
func (s *brokerSubject) series(key string, from, count int) []carillon.Message {
	messages := make([]carillon.Message, count)
	for i := range messages {
		messages[i] = s.event("thing.noted")
		messages[i].Key = key
		messages[i].Headers = map[string]string{"number": strconv.Itoa(from + i)}
	}
	return messages
}

// numberOf reads the number of a message of a series.
func numberOf(m *carillon.Message) int {
	number, err := strconv.Atoi(m.Headers["number"])
	if err != nil {
		return -1
	}
	return number
}

// next receives once and checks what every answer has in common. A Receive that goes on after its context has ended is left behind.
func next(ctx context.Context, from carillon.Subscription, limit int) ([]carillon.Delivery, error) {
	type answer struct {
		deliveries []carillon.Delivery
		err        error
	}
	received := make(chan answer, 1)
	go func() {
		deliveries, err := from.Receive(ctx, limit)
		received <- answer{deliveries, err}
	}()
	var got answer
	select {
	case got = <-received:
	case <-ctx.Done():
		late := time.NewTimer(brokerPatience / 4)
		defer late.Stop()
		select {
		case got = <-received:
		case <-late.C:
			return nil, fmt.Errorf("Receive goes on %v after its context has ended", brokerPatience/4)
		}
	}
	if got.err == nil && (len(got.deliveries) == 0 || len(got.deliveries) > limit) {
		return nil, fmt.Errorf("receiving with a limit of %d returned %d deliveries", limit, len(got.deliveries))
	}
	return got.deliveries, got.err
}

// receive collects a number of deliveries and settles none.
func receive(ctx context.Context, from carillon.Subscription, count int) ([]carillon.Delivery, error) {
	ctx, stop := context.WithTimeout(ctx, brokerPatience)
	defer stop()
	var all []carillon.Delivery
	for len(all) < count {
		deliveries, err := next(ctx, from, count-len(all))
		if err != nil {
			return all, fmt.Errorf("receive, %d of %d deliveries have come: %w", len(all), count, err)
		}
		all = append(all, deliveries...)
	}
	return all, nil
}

// holds is how many of a number of deliveries a consumer can hold unsettled.
func (s *brokerSubject) holds(count int) int {
	if s.can.Unsettled > 0 {
		return min(count, s.can.Unsettled)
	}
	return count
}

// take collects a number of deliveries and settles each batch.
func take(ctx context.Context, from carillon.Subscription, count int) ([]carillon.Delivery, error) {
	var all []carillon.Delivery
	for len(all) < count {
		one, err := receive(ctx, from, 1)
		if err != nil {
			return all, fmt.Errorf("%d of %d were settled: %w", len(all), count, err)
		}
		if err := from.Ack(ctx, one); err != nil {
			return all, fmt.Errorf("settle: %w", err)
		}
		all = append(all, one...)
	}
	return all, nil
}

// drain settles what comes until nothing comes for a while.
func drain(ctx context.Context, from carillon.Subscription) ([]carillon.Delivery, error) {
	var all []carillon.Delivery
	for {
		short, stop := context.WithTimeout(ctx, quiet)
		one, err := next(short, from, 1)
		stop()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return all, nil
		}
		if err == nil {
			err = from.Ack(ctx, one)
		}
		if err != nil {
			return all, err
		}
		all = append(all, one...)
	}
}

// quiet is how long the kit watches for what must not come.
const quiet = 700 * time.Millisecond

// nothing checks that nothing comes for a while.
func nothing(ctx context.Context, from carillon.Subscription) error {
	return nothingFor(ctx, from, quiet)
}

func nothingFor(ctx context.Context, from carillon.Subscription, long time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, long)
	defer stop()
	deliveries, err := next(ctx, from, 10)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return fmt.Errorf("%d deliveries came where none was to come, the first is message %q, attempt %d",
		len(deliveries), deliveries[0].Message.ID, deliveries[0].Attempt)
}

// same compares deliveries with the messages that were published, in order.
func same(deliveries []carillon.Delivery, want []carillon.Message) error {
	if len(deliveries) != len(want) {
		return fmt.Errorf("%d deliveries, %d messages were published", len(deliveries), len(want))
	}
	for i := range deliveries {
		if err := sameMessage(&deliveries[i].Message, &want[i]); err != nil {
			return fmt.Errorf("delivery %d: %w", i+1, err)
		}
	}
	return nil
}

// asOrdered compares deliveries with the messages of a key that were published, in order unless the broker keeps none.
func (s *brokerSubject) asOrdered(deliveries []carillon.Delivery, want []carillon.Message) error {
	if s.can.Order == carillon.OrderNone {
		return sameSet(deliveries, want)
	}
	return same(deliveries, want)
}

// sameSet compares deliveries with messages, in whatever order.
func sameSet(got []carillon.Delivery, want []carillon.Message) error {
	missing := make(map[string][]*carillon.Message)
	for i := range want {
		missing[want[i].ID] = append(missing[want[i].ID], &want[i])
	}
	for i := range got {
		id := got[i].Message.ID
		if len(missing[id]) == 0 {
			return fmt.Errorf("message %q came twice, or was not to come", id)
		}
		if err := sameMessage(&got[i].Message, missing[id][0]); err != nil {
			return err
		}
		missing[id] = missing[id][1:]
	}
	if len(got) < len(want) {
		return fmt.Errorf("%d of %d messages did not come", len(want)-len(got), len(want))
	}
	return nil
}

// letPass lets time pass, so that what was begun is under way.
func letPass(ctx context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// eventually tries until it succeeds or patience ends.
func eventually(ctx context.Context, try func() error) error {
	var last error
	return eventuallyWithin(ctx, func() (bool, error) {
		last = try()
		return last == nil, nil
	}, func() error { return last })
}

// eventuallyWithin tries until it is done or wrong, or patience ends; then late says what is missing.
func eventuallyWithin(ctx context.Context, try func() (done bool, wrong error), late func() error) error {
	ctx, stop := context.WithTimeout(ctx, 3*brokerPatience)
	defer stop()
	for wait := 20 * time.Millisecond; ; wait = min(wait*3/2, 250*time.Millisecond) {
		done, wrong := try()
		if done || wrong != nil {
			return wrong
		}
		if letPass(ctx, wait); ctx.Err() != nil {
			return late()
		}
	}
}
