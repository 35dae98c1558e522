package conformance

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/carillon-go/carillon"
)

func brokerTopicChecks() []brokerCheck {
	return []brokerCheck{
		{"capabilities", checkCapabilities},
		{"declare again", checkDeclareAgain},
		{"declare what is wrong", checkDeclareWrong},
		{"undeclared", checkUndeclared},
		{"topics apart", checkTopicsApart},
		{"long names", checkLongNames},
	}
}

// checkCapabilities checks that what the broker says of itself goes together.
func checkCapabilities(ctx context.Context, s *brokerSubject) error {
	if s.can.Broker == "" || s.can.MaxPayload < 1<<10 {
		return fmt.Errorf("the broker has the name %q and a limit of %d bytes", s.can.Broker, s.can.MaxPayload)
	}
	if again := s.broker.Capabilities(); !reflect.DeepEqual(again, s.can) {
		return fmt.Errorf("the broker says %+v of itself, and then %+v", s.can, again)
	}
	if s.can.Deduplication < 0 || s.can.Confirm > carillon.ConfirmedFlushed || s.can.Ack > carillon.AckWatermark || s.can.Order > carillon.OrderShared {
		return fmt.Errorf("the broker says what nothing stands for: confirmation %d, ack mode %d, order %d, deduplication %v",
			s.can.Confirm, s.can.Ack, s.can.Order, s.can.Deduplication)
	}
	if _, ok := s.broker.(carillon.Prober); ok != s.can.Probe {
		return fmt.Errorf("capability Probe is %v, the broker is a Prober: %v", s.can.Probe, ok)
	}
	topic, err := s.topic(ctx, "a")
	if err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "a")
	if err != nil {
		return err
	}
	if _, ok := joined.(carillon.Extender); ok != s.can.Deadline {
		return fmt.Errorf("capability Deadline is %v, the subscription is an Extender: %v", s.can.Deadline, ok)
	}
	return joined.Close()
}

// checkDeclareAgain declares a topic twice, and then with another subscription: nothing is lost, and the new one gets what is
// published from then on.
func checkDeclareAgain(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "first")
	if err != nil {
		return err
	}
	early, late := s.event("thing.noted"), s.event("thing.noted")
	if err := s.publish(ctx, topic, early); err != nil {
		return err
	}
	for range 2 {
		if err := s.broker.Declare(ctx, carillon.Topic{Name: topic, Subscriptions: []string{"second"}}); err != nil {
			return fmt.Errorf("declare again: %w", err)
		}
	}
	if err := s.publish(ctx, topic, late); err != nil {
		return err
	}
	for name, want := range map[string][]carillon.Message{"first": {early, late}, "second": {late}} {
		joined, err := s.subscribe(ctx, topic, name)
		if err != nil {
			return err
		}
		got, err := take(ctx, joined, len(want))
		if err == nil {
			err = sameSet(got, want)
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

// checkDeclareWrong declares what cannot be.
func checkDeclareWrong(ctx context.Context, s *brokerSubject) error {
	for _, topic := range []carillon.Topic{
		{},
		{Name: "Upper"},
		{Name: "a b"},
		{Name: "1a"},
		{Name: ".a"},
		{Name: "a/b"},
		{Name: "a*"},
		{Name: "ä"},
		{Name: strings.Repeat("a", 101)},
		{Name: "a", Partitions: -1},
		{Name: "a", Partitions: 257},
		{Name: "a", Subscriptions: []string{"x", "x"}},
		{Name: "a", Subscriptions: []string{""}},
		{Name: "a", Subscriptions: []string{"x", "Upper"}},
		{Name: "a", Subscriptions: []string{strings.Repeat("x", 101)}},
		{Name: "a", Retention: -1},
		{Name: "a", Limit: -1},
	} {
		if err := s.broker.Declare(ctx, topic); !errors.Is(err, carillon.ErrInvalid) {
			return fmt.Errorf("declaring %+v gives error %w, it is to be ErrInvalid", topic, orNone(err))
		}
	}
	name := "with-three"
	if err := s.broker.Declare(ctx, carillon.Topic{Name: name, Partitions: 3}); err != nil {
		return err
	}
	if err := s.broker.Declare(ctx, carillon.Topic{Name: name, Partitions: 4}); !errors.Is(err, carillon.ErrConflict) {
		return fmt.Errorf("declaring a topic of 3 partitions with 4 gives error %w, it is to be ErrConflict", orNone(err))
	}
	if err := s.broker.Declare(ctx, carillon.Topic{Name: "with-most", Partitions: 256}); err != nil {
		return fmt.Errorf("declare a topic of 256 partitions: %w", err)
	}
	err := s.broker.Declare(ctx, carillon.Topic{Name: "bounded", Limit: 10})
	if s.can.Bounded && err != nil {
		return fmt.Errorf("declare a topic with a limit: %w", err)
	}
	if !s.can.Bounded && !errors.Is(err, carillon.ErrUnsupported) {
		return fmt.Errorf("a limit on a broker without limits gives error %w, it is to be ErrUnsupported", orNone(err))
	}
	return nil
}

var errNone = errors.New("none")

// orNone makes an error of no error, so that it can be shown.
func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// checkUndeclared uses topics and subscriptions that nobody declared.
func checkUndeclared(ctx context.Context, s *brokerSubject) error {
	topic, err := s.topic(ctx, "there")
	if err != nil {
		return err
	}
	if err := s.broker.Publish(ctx, "nowhere", s.events(1, "thing.noted")); !errors.Is(err, carillon.ErrNotFound) {
		return fmt.Errorf("publishing to a topic nobody declared gives error %w, it is to be ErrNotFound", orNone(err))
	}
	for _, at := range [][2]string{{"nowhere", "there"}, {topic, "not-there"}} {
		_, err := s.broker.Subscribe(ctx, at[0], at[1], carillon.SubscribeOptions{})
		if !errors.Is(err, carillon.ErrNotFound) {
			return fmt.Errorf("subscribing to %q of %q gives error %w, it is to be ErrNotFound", at[1], at[0], orNone(err))
		}
	}
	return nil
}

// checkTopicsApart uses names that a careless broker takes for one another.
func checkTopicsApart(ctx context.Context, s *brokerSubject) error {
	names := []string{"a", "a.b", "a-b", "a_b", "a.b.c", "a.b-c", "a--b", "a..b", "b", "b.c", "b-c", "b_c", "c", "a.0", "a-0"}
	for _, name := range names {
		if err := s.broker.Declare(ctx, carillon.Topic{Name: name, Subscriptions: names, Partitions: 2}); err != nil {
			return fmt.Errorf("declare %q: %w", name, err)
		}
	}
	published := make(map[string]carillon.Message)
	for _, name := range names {
		published[name] = s.event("thing.noted")
		if err := s.publish(ctx, name, published[name]); err != nil {
			return err
		}
	}
	type place struct{ topic, subscription string }
	var places []place
	for i, name := range names {
		places = append(places, place{names[0], name})
		if i > 0 {
			places = append(places, place{name, names[(i+3)%len(names)]})
		}
	}
	places = append(places, place{"a.b", "c"}, place{"a-b", "c"}, place{"a_b", "c"})
	failures := make([]error, len(places))
	var reading sync.WaitGroup
	for i, at := range places {
		reading.Go(func() {
			if err := s.only(ctx, at.topic, at.subscription, published[at.topic]); err != nil {
				failures[i] = fmt.Errorf("subscription %q of topic %q: %w", at.subscription, at.topic, err)
			}
		})
	}
	reading.Wait()
	return errors.Join(failures...)
}

// only expects one message in a subscription, and nothing else.
func (s *brokerSubject) only(ctx context.Context, topic, subscription string, message carillon.Message) error {
	joined, err := s.subscribe(ctx, topic, subscription)
	if err != nil {
		return err
	}
	got, err := take(ctx, joined, 1)
	if err == nil {
		err = same(got, []carillon.Message{message})
	}
	if err == nil {
		err = nothing(ctx, joined)
	}
	return errors.Join(err, joined.Close())
}

// checkLongNames uses names as long as they may be, which differ in their last letter.
func checkLongNames(ctx context.Context, s *brokerSubject) error {
	long := strings.Repeat("n", 99)
	names := []string{long + "a", long + "b"}
	published := make(map[string]carillon.Message)
	for _, name := range names {
		if err := s.broker.Declare(ctx, carillon.Topic{Name: name, Subscriptions: names}); err != nil {
			return fmt.Errorf("declare names of 100 bytes: %w", err)
		}
		published[name] = s.event("thing.noted")
		if err := s.publish(ctx, name, published[name]); err != nil {
			return err
		}
	}
	for _, topic := range names {
		for _, subscription := range names {
			if err := s.only(ctx, topic, subscription, published[topic]); err != nil {
				return fmt.Errorf("subscription %q of topic %q: %w", subscription, topic, err)
			}
		}
	}
	return nil
}
