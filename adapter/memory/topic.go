package memory

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// topic holds the messages of each of its subscriptions apart.
type topic struct {
	name       string
	partitions int

	mu     sync.Mutex
	limit  int64
	next   int // where the next message without a key goes
	groups map[string]*group
	all    []*group // those of groups
}

// group is a subscription with the consumers that share it.
type group struct {
	partitions []*partition
	consumers  []*subscription
	held       int64 // messages that are not settled
	spare      spares
}

// partition is a part of a subscription's messages. Those before next have been delivered.
type partition struct {
	queue

	group *group
	next  int64
	owner *subscription
	lost  chan struct{} // closed when the owner is another
}

// handle is how a consumer knows a delivery: until the partition is lost.
type handle struct {
	part   *partition
	lost   chan struct{}
	number int64
}

func newTopic(wanted carillon.Topic) *topic {
	return &topic{name: wanted.Name, partitions: wanted.Partitions, limit: wanted.Limit, groups: make(map[string]*group)}
}

func (t *topic) declare(wanted carillon.Topic) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.partitions != wanted.Partitions {
		return fmt.Errorf("topic %q has %d partitions, not %d: %w", t.name, t.partitions, wanted.Partitions, carillon.ErrConflict)
	}
	t.limit = wanted.Limit
	for _, name := range wanted.Subscriptions {
		if t.groups[name] != nil {
			continue
		}
		g := &group{}
		for range t.partitions {
			g.partitions = append(g.partitions, &partition{group: g})
		}
		t.groups[name] = g
		t.all = append(t.all, g)
	}
	return nil
}

func (t *topic) publish(messages []carillon.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.groups) == 0 {
		return fmt.Errorf("topic %q has no subscription: %w", t.name, carillon.ErrUnroutable)
	}
	fits := len(messages)
	if t.limit > 0 {
		fits = int(min(max(0, t.limit-t.held()), int64(fits)))
	}
	t.add(messages[:fits])
	if fits == len(messages) {
		return nil
	}
	failed := &carillon.PublishError{Cause: fmt.Errorf("topic %q holds %d messages: %w", t.name, t.limit, carillon.ErrTopicFull)}
	for i := fits; i < len(messages); i++ {
		failed.Unconfirmed = append(failed.Unconfirmed, i)
	}
	return failed
}

// add hands messages to every subscription, and wakes who waits for them.
func (t *topic) add(messages []carillon.Message) {
	now := time.Now()
	for i := range messages {
		m := &messages[i]
		part := t.next
		if m.Key != "" {
			part = carillon.Partition(m.Key, t.partitions)
		} else {
			t.next = (t.next + 1) % t.partitions
		}
		for _, g := range t.all {
			p := g.partitions[part]
			p.add(m, now, &g.spare)
			if p.owner != nil {
				p.owner.due = true
			}
		}
	}
	for _, g := range t.all {
		g.held += int64(len(messages))
		for _, s := range g.consumers {
			if s.due {
				s.wake()
			}
		}
	}
}

// held is how many messages the subscription holds that has the most.
func (t *topic) held() (most int64) {
	for _, g := range t.all {
		most = max(most, g.held)
	}
	return most
}

func (t *topic) join(name string, unsettled int) (*subscription, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.groups[name]
	if g == nil {
		return nil, fmt.Errorf("subscription %q of topic %q: declare it first: %w", name, t.name, carillon.ErrNotFound)
	}
	s := &subscription{topic: t, group: g, room: unsettled, more: make(chan struct{}, 1), ended: make(chan struct{})}
	g.consumers = append(g.consumers, s)
	g.share()
	return s, nil
}

// share spreads the partitions evenly over the consumers. One that has no more than its share keeps what it has.
func (g *group) share() {
	if len(g.consumers) == 0 {
		for _, p := range g.partitions {
			p.give(nil)
		}
		return
	}
	least, extra := len(g.partitions)/len(g.consumers), len(g.partitions)%len(g.consumers)
	counts := make(map[*subscription]int)
	var free []*partition
	for _, p := range g.partitions {
		most := least
		if extra > 0 {
			most++
		}
		if !slices.Contains(g.consumers, p.owner) || counts[p.owner] >= most {
			free = append(free, p)
			continue
		}
		if counts[p.owner]++; counts[p.owner] > least {
			extra--
		}
	}
	for _, p := range free {
		p.give(slices.MinFunc(g.consumers, func(a, b *subscription) int { return counts[a] - counts[b] }))
		counts[p.owner]++
	}
}

// give makes a consumer the owner. What the one before had and did not settle comes again, in order and before anything newer.
func (p *partition) give(to *subscription) {
	if p.lost != nil {
		close(p.lost)
		p.lost = nil
	}
	for number := p.front; number < p.next; number++ {
		if !p.at(number).settled {
			p.owner.room++
		}
	}
	if p.owner != nil {
		p.owner.wake()
	}
	p.next = p.front
	if p.owner = to; to != nil {
		p.lost = make(chan struct{})
		to.wake()
	}
}

// deliver appends what was not delivered, as far as there is room.
func (p *partition) deliver(deliveries []carillon.Delivery, handles []handle) []carillon.Delivery {
	for ; p.next < p.end && len(deliveries) < cap(deliveries); p.next++ {
		it := p.at(p.next)
		if it.settled { // by an owner before, out of order
			continue
		}
		it.attempt++
		n := len(deliveries)
		deliveries, handles[n] = deliveries[:n+1], handle{p, p.lost, p.next}
		d := &deliveries[n]
		d.Message, d.Attempt, d.Lost, d.Handle = it.message, it.attempt, p.lost, &handles[n]
	}
	return deliveries
}

// settle settles what a consumer has.
func (p *partition) settle(h *handle, by *subscription) {
	if p.owner != by || p.lost != h.lost { // the partition may have gone and come back
		return
	}
	if h.number < p.front || p.at(h.number).settled {
		return
	}
	p.queue.settle(h.number, &p.group.spare)
	p.next = max(p.next, p.front)
	p.group.held--
	by.room++
}

func (t *topic) probe(name string) (carillon.Backlog, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.groups[name]
	if g == nil {
		return carillon.Backlog{}, fmt.Errorf("subscription %q of topic %q: %w", name, t.name, carillon.ErrNotFound)
	}
	var backlog carillon.Backlog
	now := time.Now()
	for _, p := range g.partitions {
		for number := p.front; number < p.end; number++ {
			it := p.at(number)
			switch {
			case it.settled:
				continue
			case number < p.next:
				backlog.Unsettled++
			default:
				backlog.Waiting++
			}
			backlog.Oldest = max(backlog.Oldest, now.Sub(it.since))
		}
	}
	return backlog, nil
}
