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
	mu         sync.Mutex
	name       string
	partitions int
	limit      int64
	next       int // where the next message without a key goes
	groups     map[string]*group
}

// group is a subscription with the consumers that share it.
type group struct {
	partitions []*partition
	consumers  []*subscription
	held       int64 // messages that are not settled
}

// partition is a part of a subscription's messages. Those before next have been delivered.
type partition struct {
	group *group
	items []*item
	next  int
	owner *subscription
	lost  chan struct{} // closed when the owner is another
}

// item is a message of one subscription.
type item struct {
	message carillon.Message
	since   time.Time
	part    *partition
	owner   *subscription // who has it, nil when nobody
	lost    chan struct{} // of the delivery it is in
	attempt int
	settled bool
}

// taken is an item as a consumer has it: until it is lost.
type taken struct {
	item *item
	lost chan struct{}
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
	}
	return nil
}

func (t *topic) publish(messages []carillon.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.groups) == 0 {
		return fmt.Errorf("topic %q has no subscription: %w", t.name, carillon.ErrUnroutable)
	}
	for i := range messages {
		if t.limit > 0 && t.held() >= t.limit {
			failed := &carillon.PublishError{Cause: fmt.Errorf("topic %q holds %d messages: %w", t.name, t.limit, carillon.ErrTopicFull)}
			for ; i < len(messages); i++ {
				failed.Unconfirmed = append(failed.Unconfirmed, i)
			}
			return failed
		}
		t.add(messages[i])
	}
	return nil
}

// add hands a message to every subscription.
func (t *topic) add(m carillon.Message) {
	part := t.next
	if m.Key != "" {
		part = carillon.Partition(m.Key, t.partitions)
	} else {
		t.next = (t.next + 1) % t.partitions
	}
	now := time.Now()
	for _, g := range t.groups {
		g.partitions[part].add(&item{message: m, since: now})
	}
}

// held is how many messages the subscription holds that has the most.
func (t *topic) held() (most int64) {
	for _, g := range t.groups {
		most = max(most, g.held)
	}
	return most
}

func (p *partition) add(it *item) {
	it.part = p
	p.items = append(p.items, it)
	p.group.held++
	if p.owner != nil {
		p.owner.wake()
	}
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
	for _, it := range p.items[:p.next] {
		if it.owner != nil {
			it.owner.room++
			it.owner.wake()
			it.owner = nil
		}
	}
	p.items = slices.DeleteFunc(p.items, func(it *item) bool { return it.settled })
	p.next = 0
	if p.owner = to; to != nil {
		p.lost = make(chan struct{})
		to.wake()
	}
}

// settle settles what a consumer has, and forgets what is settled at the front.
func (p *partition) settle(it *item, by *subscription, lost chan struct{}) {
	if it.owner != by || it.lost != lost { // the partition may have gone and come back
		return
	}
	it.owner, it.settled = nil, true
	p.group.held--
	by.room++
	settled := 0
	for settled < p.next && p.items[settled].settled {
		p.items[settled] = nil
		settled++
	}
	p.items, p.next = p.items[settled:], p.next-settled
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
		for _, it := range p.items {
			switch {
			case it.settled:
				continue
			case it.owner != nil:
				backlog.Unsettled++
			default:
				backlog.Waiting++
			}
			backlog.Oldest = max(backlog.Oldest, now.Sub(it.since))
		}
	}
	return backlog, nil
}
