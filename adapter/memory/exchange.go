package memory

import (
	"fmt"

	"github.com/carillon-go/carillon"
)

// receipt names a message as one consumer has had it.
type receipt struct {
	consumer string
	carillon.Receipt
}

// outgoing are messages on their way to a topic.
type outgoing struct {
	topic    *topic
	messages []carillon.Message
}

// Publish adds messages to a topic when the update succeeds. The topic may become full until then: the update fails.
func (u *update) Publish(name string, messages []carillon.Message) error {
	t, err := u.models.topics.find(name)
	if err != nil {
		return err
	}
	count := int64(len(messages))
	for _, out := range u.outbox {
		if out.topic == t {
			count += int64(len(out.messages))
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.takes(count); err != nil {
		return err
	}
	u.outbox = append(u.outbox, outgoing{t, append([]carillon.Message(nil), messages...)})
	return nil
}

// Receive notes messages as handled when the update succeeds, and reports which were not before.
func (u *update) Receive(receipts []carillon.Receipt) ([]bool, error) {
	first := make([]bool, len(receipts))
	for i := range receipts {
		r := receipt{u.ref.Name, receipts[i]}
		if u.models.inbox[r] || u.received[r] {
			continue
		}
		first[i] = true
		if u.received == nil {
			u.received = make(map[receipt]bool)
		}
		u.received[r] = true
	}
	return first, nil
}

// admit checks that every topic has room for what the update publishes. Each topic stays locked until release is called.
func (u *update) admit() (release func(), err error) {
	var locked []*topic
	release = func() {
		for _, t := range locked {
			t.mu.Unlock()
		}
	}
	count := make(map[*topic]int64)
	for _, out := range u.outbox {
		count[out.topic] += int64(len(out.messages))
	}
	for _, t := range u.models.topics.inOrder(count) {
		t.mu.Lock()
		locked = append(locked, t)
		if err := t.takes(count[t]); err != nil {
			return release, err
		}
	}
	return release, nil
}

// takes says why a topic, which is locked, cannot take so many messages, if it cannot.
func (t *topic) takes(count int64) error {
	switch {
	case len(t.groups) == 0:
		return fmt.Errorf("topic %q has no subscription: %w", t.name, carillon.ErrUnroutable)
	case t.limit > 0 && t.held()+count > t.limit:
		return fmt.Errorf("topic %q holds %d messages, and may hold %d: %w", t.name, t.held(), t.limit, carillon.ErrTopicFull)
	default:
		return nil
	}
}

// exchange hands over what the update published and notes what it received. The topics are locked.
func (u *update) exchange() {
	for _, out := range u.outbox {
		out.topic.add(out.messages)
	}
	for r := range u.received {
		u.models.inbox[r] = true
	}
}
