package conformance

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon"
)

// competition is a broker whose consumers compete for each message, as those of a queue do: it keeps the order of a key for one
// consumer at a time.
type competition struct {
	shuffled  bool // gives out what waits in any order
	deadlines bool // deliveries have a deadline, which comes again only then
	// granted is how long a delivery has, and extended how long from now on once it is extended; what the options say by default.
	granted, extended func(asked time.Duration) time.Duration
	uncounted         bool // every delivery is the first
}

// open opens the reference with competing consumers. Each place has one inner consumer for each subscription.
func (c competition) open(changes ...func(b *alteredBroker)) BrokerOpener {
	return alterPlace(func(home carillon.Broker) func(b *alteredBroker) {
		var mu sync.Mutex
		pools := make(map[[2]string]*pool)
		return func(b *alteredBroker) {
			b.can.Order, b.can.Revocation, b.can.Deadline = carillon.OrderAlone, false, c.deadlines
			if c.shuffled || c.deadlines {
				b.can.Order = carillon.OrderNone
			}
			var members []*member
			b.subscribe = func(
				ctx context.Context, topic, name string, options carillon.SubscribeOptions,
			) (carillon.Subscription, error) {
				if err := b.Broker.Declare(ctx); err != nil {
					return nil, err
				}
				mu.Lock()
				defer mu.Unlock()
				p := pools[[2]string{topic, name}]
				if p == nil {
					inner, err := home.Subscribe(ctx, topic, name, carillon.SubscribeOptions{MaxUnsettled: 1 << 30})
					if err != nil {
						return nil, err
					}
					p = &pool{competition: c, inner: inner, given: make(map[*held]bool), changed: make(chan struct{})}
					pools[[2]string{topic, name}] = p
					go p.fill()
				}
				options = options.WithDefaults()
				m := &member{pool: p, room: options.MaxUnsettled, deadline: options.AckDeadline}
				members = append(members, m)
				if c.deadlines {
					return extendableMember{m}, nil
				}
				return m, nil
			}
			b.close = func() error {
				mu.Lock()
				defer mu.Unlock()
				for _, m := range members {
					m.leave()
				}
				return b.Broker.Close()
			}
			for _, change := range changes {
				change(b)
			}
		}
	})
}

// pool is a subscription with the members that compete.
type pool struct {
	competition
	inner carillon.Subscription

	mu      sync.Mutex
	count   int
	waiting []*held
	given   map[*held]bool
	changed chan struct{} // closed when there may be something to receive
}

// held is a message of a pool.
type held struct {
	number   int
	delivery carillon.Delivery
	attempt  int
	by       *member
	until    time.Time
}

// grip is the handle of a delivery.
type grip struct {
	held    *held
	attempt int
}

// fill takes from the inner subscription until it is closed.
func (p *pool) fill() {
	for {
		deliveries, err := p.inner.Receive(context.Background(), 100)
		if err != nil {
			return
		}
		p.mu.Lock()
		for i := range deliveries {
			p.waiting = append(p.waiting, &held{number: p.count, delivery: deliveries[i]})
			p.count++
		}
		p.wake()
		p.mu.Unlock()
	}
}

func (p *pool) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// back puts messages that members had among those that wait.
func (p *pool) back(which func(h *held) bool) {
	for h := range p.given {
		if which(h) {
			delete(p.given, h)
			h.by.room++
			h.by = nil
			p.waiting = append(p.waiting, h)
		}
	}
	slices.SortFunc(p.waiting, func(a, b *held) int { return cmp.Compare(a.number, b.number) })
	p.wake()
}

// member is one consumer of a pool, whose lock guards what it holds.
type member struct {
	pool     *pool
	room     int
	deadline time.Duration
	gone     bool
}

func (m *member) Receive(ctx context.Context, limit int) ([]carillon.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		deliveries, changed, err := m.take(limit)
		if err != nil || len(deliveries) > 0 {
			return deliveries, err
		}
		expiry := time.NewTimer(50 * time.Millisecond)
		select {
		case <-changed:
		case <-expiry.C:
		case <-ctx.Done():
		}
		expiry.Stop()
	}
}

func (m *member) take(limit int) ([]carillon.Delivery, <-chan struct{}, error) {
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.gone {
		return nil, nil, carillon.ErrClosed
	}
	now := time.Now()
	if p.deadlines {
		late := func(h *held) bool { return h.until.Before(now) }
		for h := range p.given {
			if late(h) {
				p.back(late)
				break
			}
		}
	}
	var deliveries []carillon.Delivery
	for len(p.waiting) > 0 && m.room > 0 && len(deliveries) < limit {
		i := 0
		if p.shuffled {
			i = rand.IntN(len(p.waiting))
		}
		h := p.waiting[i]
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.given[h] = true
		h.by, h.until = m, now.Add(after(p.granted, m.deadline))
		h.attempt++
		m.room--
		attempt := h.attempt
		if p.uncounted {
			attempt = 1
		}
		deliveries = append(deliveries, carillon.Delivery{Message: h.delivery.Message, Attempt: attempt, Handle: grip{h, h.attempt}})
	}
	return deliveries, p.changed, nil
}

func after(changed func(asked time.Duration) time.Duration, asked time.Duration) time.Duration {
	if changed == nil {
		return asked
	}
	return changed(asked)
}

func (m *member) Ack(ctx context.Context, deliveries []carillon.Delivery) error {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for i := range deliveries {
		handle := deliveries[i].Handle.(grip)
		if handle.held.by != m || handle.held.attempt != handle.attempt {
			continue
		}
		if err := m.pool.inner.Ack(ctx, []carillon.Delivery{handle.held.delivery}); err != nil {
			return err
		}
		delete(m.pool.given, handle.held)
		handle.held.by = nil
		m.room++
	}
	m.pool.wake()
	return nil
}

func (m *member) Close() error {
	m.leave()
	return nil
}

func (m *member) leave() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.gone = true
	m.pool.back(func(h *held) bool { return h.by == m })
}

// extendableMember is a member whose deliveries have a deadline.
type extendableMember struct{ *member }

func (m extendableMember) Extend(_ context.Context, deliveries []carillon.Delivery) error {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	for i := range deliveries {
		if handle := deliveries[i].Handle.(grip); handle.held.by == m.member && handle.held.attempt == handle.attempt {
			handle.held.until = later(handle.held.until, time.Now().Add(after(m.pool.extended, m.deadline)))
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
