package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

func brokerOrderChecks() []brokerCheck {
	return []brokerCheck{
		{"order of a call", checkOrderOfCall},
		{"order after leaving", checkOrderAfterLeaving},
		{"order among consumers", checkOrderAmongConsumers},
	}
}

// handled is what consumers have handled, each key's messages in order. A message may be handled twice; none may be left out.
type handled struct {
	mu       sync.Mutex
	next     map[string]int
	total    int
	repeated int
	wrong    error
}

func newHandled() *handled { return &handled{next: make(map[string]int)} }

// handle notes a delivery, and what is wrong with it.
func (h *handled) handle(m *carillon.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	number, next := numberOf(m), h.next[m.Key]
	switch {
	case number == next:
		h.next[m.Key]++
		h.total++
	case number < next:
		h.repeated++
	case h.wrong == nil:
		h.wrong = fmt.Errorf("message %d of key %q came before message %d was handled", number, m.Key, next)
	}
}

// done reports whether so many messages were handled, or what is wrong.
func (h *handled) done(want int) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total >= want, h.wrong
}

// checkOrderOfCall publishes a large batch of interleaved keys in one call.
func checkOrderOfCall(ctx context.Context, s *brokerSubject) error {
	if s.can.Order == carillon.OrderNone {
		return skip("the broker keeps no order")
	}
	const keys, each = 50, 20
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	var messages []carillon.Message
	for number := range each {
		for key := range keys {
			messages = append(messages, s.series(fmt.Sprint("key ", key), number, 1)...)
		}
	}
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	joined, err := s.subscribe(ctx, topic, "all")
	if err != nil {
		return err
	}
	h := newHandled()
	for range messages {
		got, err := take(ctx, joined, 1)
		if err != nil {
			return err
		}
		h.handle(&got[0].Message)
	}
	if done, wrong := h.done(len(messages)); wrong != nil || !done {
		return errors.Join(wrong, fmt.Errorf("%d of %d messages were handled, %d came again", h.total, len(messages), h.repeated))
	}
	return nil
}

// checkOrderAfterLeaving leaves again and again with deliveries unsettled.
func checkOrderAfterLeaving(ctx context.Context, s *brokerSubject) error {
	if s.can.Order == carillon.OrderNone {
		return skip("the broker keeps no order")
	}
	const count, rounds = 40, 4
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	messages := s.series("k", 0, count)
	if err := s.publish(ctx, topic, messages...); err != nil {
		return err
	}
	for round := range rounds {
		joined, err := s.subscribe(ctx, topic, "all")
		if err != nil {
			return err
		}
		settled := round * count / rounds
		held := s.holds(count - settled)
		got, err := receive(ctx, joined, held)
		if err == nil {
			err = same(got, messages[settled:settled+held])
		}
		if err == nil {
			err = joined.Ack(ctx, got[:min(held, count/rounds)])
		}
		if left := count/rounds - held; err == nil && left > 0 { // what it could not hold
			_, err = take(ctx, joined, left)
		}
		if err != nil {
			return fmt.Errorf("round %d, %d of %d are settled: %w", round+1, settled, count, err)
		}
		if err := joined.Close(); err != nil {
			return err
		}
	}
	return nil
}

// checkOrderAmongConsumers has consumers come and go, each leaving with deliveries unsettled, while messages are published: of no key
// is a message handled before the one that was published before it.
func checkOrderAmongConsumers(ctx context.Context, s *brokerSubject) error {
	consumers := 3
	switch s.can.Order {
	case carillon.OrderNone:
		return skip("the broker keeps no order")
	case carillon.OrderAlone:
		consumers = 1
	case carillon.OrderShared:
	}
	const keys, each = 24, 40
	topic, err := s.topic(ctx, "all")
	if err != nil {
		return err
	}
	h := newHandled()
	ctx, stop := context.WithTimeout(ctx, 3*brokerPatience)
	defer stop()
	working, enough := context.WithCancel(ctx)
	failures := make([]error, consumers+2)
	var busy sync.WaitGroup
	for i := range consumers {
		if err := s.client(ctx); err != nil {
			enough()
			return err
		}
		c := &comer{subject: s, broker: s.broker, topic: topic, handled: h, random: rand.New(rand.NewPCG(s.seed, uint64(i)))}
		busy.Go(func() { failures[i] = c.comeAndGo(working) })
	}
	busy.Go(func() {
		for number := range each {
			for key := range keys {
				if err := s.publish(ctx, topic, s.series(fmt.Sprint("key ", key), number, 1)...); err != nil {
					failures[consumers] = err
					return
				}
			}
		}
	})
	failures[consumers+1] = s.await(ctx, h, keys*each)
	enough()
	busy.Wait()
	return errors.Join(failures...)
}

// await waits until everything is handled.
func (s *brokerSubject) await(ctx context.Context, h *handled, want int) error {
	return eventuallyWithin(ctx, func() (bool, error) {
		done, wrong := h.done(want)
		return done, wrong
	}, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		return fmt.Errorf("%d of %d messages were handled, %d came again", h.total, want, h.repeated)
	})
}

// comer joins a subscription, handles some deliveries, leaves with others unsettled, and joins again.
type comer struct {
	subject *brokerSubject
	broker  carillon.Broker
	topic   string
	handled *handled
	random  *rand.Rand
}

func (c *comer) comeAndGo(ctx context.Context) error {
	for ctx.Err() == nil {
		joined, err := c.broker.Subscribe(ctx, c.topic, "all", carillon.SubscribeOptions{AckDeadline: deadline, MaxUnsettled: 64})
		if err != nil {
			return endedOr(ctx, err)
		}
		for range 5 + c.random.IntN(20) {
			got, err := next(ctx, joined, 1+c.random.IntN(8))
			if err != nil {
				return errors.Join(endedOr(ctx, err), joined.Close())
			}
			handle := c.random.IntN(len(got) + 1)
			if c.random.IntN(4) > 0 {
				handle = len(got)
			}
			if c.random.IntN(2) == 0 { // work takes a while, in which another consumer may overtake
				letPass(ctx, time.Duration(c.random.IntN(2000))*time.Microsecond)
			}
			for i := range handle {
				c.handled.handle(&got[i].Message)
			}
			if err := joined.Ack(ctx, got[:handle]); err != nil {
				return errors.Join(endedOr(ctx, err), joined.Close())
			}
			if handle < len(got) { // what was not handled must not be settled by what is handled later
				break
			}
		}
		if err := joined.Close(); err != nil {
			return err
		}
	}
	return nil
}

// endedOr is nil when the context has ended, else the error.
func endedOr(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
